"""Two models on the same crystals of the same splits: which is better, and is it chance?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from studies.transfer.evaluations import Cell, Store
from studies.transfer.metrics import PairedTest, compare

PAIRS = (
    ("step-1", "step-2"),
    ("step-2", "step-3"),
    ("step-3", "step-3-seen"),
    ("step-3", "accurate"),
    ("gaussian-process", "accurate"),
    ("feature-transfer", "accurate"),
    ("fast", "accurate"),
)
"""What is compared: a model, and one that should be better."""


class Comparison(BaseModel):
    """A paired test over all splits that both models have.

    Attributes:
        study: Study of the cells.
        train: What was trained on.
        test: What was tested on.
        split: Kind of the splits: `run`, `formula`, ...
        n_splits: How many of them.
        first: A model.
        second: The one it is compared to.
        paired: The test; its gain is positive if the second is better.
    """

    model_config = ConfigDict(extra="forbid")

    study: str
    train: str
    test: str
    split: str
    n_splits: int
    first: str
    second: str
    paired: PairedTest


def comparisons(cells: list[Cell], store: Store) -> list[Comparison]:
    """All comparisons that the stored cells allow."""
    found = []
    for (study, train, test, split), group in _alike(cells):
        for first, second in PAIRS:
            names = {c.model: {o.split: o.name for o in group if o.model == c.model} for c in group}
            both = sorted(names.get(first, {}).keys() & names.get(second, {}).keys())
            pairs = [_errors(store, names[first][s], names[second][s]) for s in both]
            pairs = [pair for pair in pairs if len(pair[2])]
            if not pairs:
                continue
            one, other, formulas = (np.concatenate(column) for column in zip(*pairs, strict=True))
            found.append(
                Comparison(
                    study=study,
                    train=train,
                    test=test,
                    split=split,
                    n_splits=len(pairs),
                    first=first,
                    second=second,
                    paired=compare(one, other, formulas),
                )
            )
    return found


def split_kind(split: str) -> str:
    """`run-3` is a `run`, `formula-0` a `formula` split, `anion-out` is itself."""
    kind, _, number = split.rpartition("-")
    return kind if number.isdigit() else split


def _alike(cells: list[Cell]) -> Iterator[tuple[tuple[str, str, str, str], list[Cell]]]:
    groups: dict[tuple[str, str, str, str], list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[cell.study, cell.train, cell.test, split_kind(cell.split)].append(cell)
    yield from sorted(groups.items())


def _errors(store: Store, first: str, second: str) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.str_]]:
    """|log10| errors of two cells on the crystals both answer for, and their formulas."""
    one, other = store.answered(first), store.answered(second)
    place = {(name, k): i for i, (name, k) in enumerate(_counted(other.ids))}
    pairs = [(i, place[key]) for i, key in enumerate(_counted(one.ids)) if key in place]
    mine, theirs = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    errors = [np.abs(np.log10(a.predicted / a.truth)) for a in (one, other)]
    return errors[0][mine], errors[1][theirs], np.asarray(one.formulas, dtype=np.str_)[mine]


def _counted(ids: Sequence[str]) -> list[tuple[str, int]]:
    """Names made distinct: a crystal may stand twice in a set."""
    seen: dict[str, int] = defaultdict(int)
    counted = []
    for name in ids:
        counted.append((name, seen[name]))
        seen[name] += 1
    return counted
