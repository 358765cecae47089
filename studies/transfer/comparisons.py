"""Paired comparisons: is one model better than another on the same crystals of the same splits, beyond chance?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from studies.store import Record
from studies.transfer.evaluations import EvaluationKey, EvaluationStore
from studies.transfer.metrics import PairedTest, compare
from studies.transfer.recipes import ACCURATE, FAST

PAIRS = (
    ("step-1", "step-2"),
    ("step-2", "step-3"),
    ("step-3", "step-3-seen"),
    ("step-3", ACCURATE),
    ("gaussian-process", ACCURATE),
    ("feature-transfer", ACCURATE),
    (FAST, ACCURATE),
)
"""Pairs that are compared: a model, and one that should be better."""


class Comparison(Record):
    """A paired test over all splits that both models have.

    Attributes:
        record: Always `comparison`.
        study: Study of the evaluations.
        train: Name of the training set.
        test: Name of the test set.
        split: Kind of the splits: `run`, `formula`, ...
        n_splits: Number of splits.
        first: A model.
        second: The model it is compared to.
        paired: The test; its gain is positive if the second is better.
    """

    record: Literal["comparison"] = "comparison"
    study: str
    train: str
    test: str
    split: str
    n_splits: int
    first: str
    second: str
    paired: PairedTest

    @property
    def name(self) -> str:
        """What is compared, and on what."""
        return f"{self.study} {self.train} {self.test} {self.split} {self.first} {self.second}"


def comparisons(store: EvaluationStore) -> list[Comparison]:
    """All comparisons that the stored evaluations with predictions allow; measured values are too few and left out."""
    found = []
    for (study, train, test, split), group in _of_one_kind(store):
        keys: dict[str, dict[str, EvaluationKey]] = defaultdict(dict)
        for key in group:
            keys[key.model][key.split] = key
        for first, second in PAIRS:
            shared = sorted(keys[first].keys() & keys[second].keys())
            pairs = [_errors(store, keys[first][s], keys[second][s]) for s in shared]
            pairs = [pair for pair in pairs if len(pair[2])]
            if not pairs:
                continue
            of_first, of_second, formulas = (np.concatenate(column) for column in zip(*pairs, strict=True))
            found.append(
                Comparison(
                    study=study,
                    train=train,
                    test=test,
                    split=split,
                    n_splits=len(pairs),
                    first=first,
                    second=second,
                    paired=compare(of_first, of_second, formulas),
                )
            )
    return found


def split_kind(split: str) -> str:
    """The kind of a split: `run` for `run-3`, `formula` for `formula-0`, `anion-out` itself."""
    kind, _, number = split.rpartition("-")
    return kind if number.isdigit() else split


def _of_one_kind(store: EvaluationStore) -> Iterator[tuple[tuple[str, str, str, str], list[EvaluationKey]]]:
    """Evaluations with predictions by study, training set, test set and kind of split."""
    groups: dict[tuple[str, str, str, str], list[EvaluationKey]] = defaultdict(list)
    for key in (evaluation.key for evaluation in store.evaluations()):
        if store.has(key) and key.study != "textbook":
            groups[key.study, key.train, key.test, split_kind(key.split)].append(key)
    yield from sorted(groups.items(), key=lambda item: item[0])


def _errors(
    store: EvaluationStore, first: EvaluationKey, second: EvaluationKey
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.str_]]:
    """|log10| errors of two evaluations on the crystals both predict, and their formulas."""
    one, other = store.predictions(first), store.predictions(second)
    place = {name: i for i, name in enumerate(_numbered(other.ids))}
    pairs = [(i, place[name]) for i, name in enumerate(_numbered(one.ids)) if name in place]
    of_one, of_other = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    formulas = np.asarray(one.formulas, dtype=np.str_)
    return one.abs_log10_errors[of_one], other.abs_log10_errors[of_other], formulas[of_one]


def _numbered(ids: Sequence[str]) -> list[tuple[str, int]]:
    """Each name with the number of times it came before, since a set may hold a crystal twice."""
    seen: dict[str, int] = defaultdict(int)
    numbered = []
    for name in ids:
        numbered.append((name, seen[name]))
        seen[name] += 1
    return numbered
