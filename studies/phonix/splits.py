"""What is trained on and what is tested: folds by a hash, so that they never change, and groups left out.

Each split names the formulas that no stage of a model may see, the AGL stage included.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kappatune.model.folds import Rows
from studies.phonix.labels import PHONIX_SET, TEXTBOOK, DftLabels

N_FOLDS = 5
N_ANION_FOLDS = 8
LOW_KAPPA_LABEL = 0.8
"""W/(m K): one split trains on rows above and tests on the others."""

SMALLEST_FAMILY = 20


@dataclass(frozen=True)
class LabelSplit:
    """One split of the DFT labels.

    Attributes:
        protocol: `formula`, `random`, `prototype`, `anion`, `low`, `tetrahedral` or `family`.
        part: Which of the protocol's splits: a fold, an anion, a family.
        train: Rows that may be trained on, of all sets.
        test: Rows that are tested, of one set or several.
        unseen: Reduced formulas that no table of any stage may hold.
    """

    protocol: str
    part: str
    train: Rows
    test: Rows
    unseen: frozenset[str]

    @property
    def file_name(self) -> str:
        """Name of a file about this split: another if other rows are trained on or tested."""
        rows = hashlib.sha256(self.train.tobytes() + b"tested" + self.test.tobytes()).hexdigest()[:8]
        return f"{self.part.replace(' ', '-')}-{rows}"


def fold_of(name: str, n_folds: int = N_FOLDS) -> int:
    """Fold of a formula, prototype or id: its SHA-256 hash modulo the number of folds."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % n_folds


def formula_splits(labels: DftLabels) -> Iterator[LabelSplit]:
    """Five folds by formula. A fold tests rows of every set, textbook values too, so that one model serves them all."""
    fold = _folds(labels.formulas)
    for k in range(N_FOLDS):
        unseen = frozenset(labels.formulas[fold == k].tolist())
        yield LabelSplit("formula", f"{k}", np.flatnonzero(fold != k), np.flatnonzero(fold == k), unseen)


def prototype_splits(labels: DftLabels) -> Iterator[LabelSplit]:
    """Five folds of whole prototypes; the formulas of the tested rows are unseen as well."""
    fold = _folds(labels.prototypes)
    for k in range(N_FOLDS):
        yield _without(labels, "prototype", f"{k}", fold == k)


def anion_splits(labels: DftLabels) -> Iterator[LabelSplit]:
    """Eight folds of whole anions, as equal in rows of Phonix as greedy filling makes them."""
    counts = Counter(labels.anions[labels.rows_of(PHONIX_SET)].tolist())
    filled = [0] * N_ANION_FOLDS
    members: list[list[str]] = [[] for _ in filled]
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        smallest = filled.index(min(filled))
        members[smallest].append(name)
        filled[smallest] += count
    for k, anions in enumerate(members):
        if anions:
            yield _without(labels, "anion", f"{k} {'-'.join(anions[:3])}", np.isin(labels.anions, anions))


def random_splits(labels: DftLabels) -> Iterator[LabelSplit]:
    """Five folds of rows of Phonix by id, the protocol of published work: other rows of a tested formula stay in."""
    is_phonix = labels.set_of == PHONIX_SET
    fold = _folds([row.crystal.id for row in labels.rows])
    for k in range(N_FOLDS):
        tested = is_phonix & (fold == k)
        yield LabelSplit("random", f"{k}", np.flatnonzero(~tested), np.flatnonzero(tested), frozenset())


def low_split(labels: DftLabels) -> LabelSplit:
    """Trained on rows above 0.8 W/(m K), tested on those of Phonix at most as high."""
    return _without(labels, "low", "0.8", labels.kappa <= LOW_KAPPA_LABEL)


def tetrahedral_split(labels: DftLabels) -> LabelSplit:
    """Diamonds, zincblendes and wurtzites of all sets tested, trained on all others."""
    return _without(labels, "tetrahedral", "all", labels.tetrahedral)


def family_splits(labels: DftLabels, smallest: int = SMALLEST_FAMILY) -> Iterator[LabelSplit]:
    """Each family of at least `smallest` rows left out, the largest first."""
    counts = Counter(labels.families.tolist())
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if count >= smallest:
            yield _without(labels, "family", name, labels.families == name)


def _without(labels: DftLabels, protocol: str, part: str, tested: NDArray[np.bool_]) -> LabelSplit:
    """Test these rows except textbook values, train on the rows of no tested formula."""
    test = tested & (labels.set_of != TEXTBOOK)
    unseen = frozenset(labels.formulas[test].tolist())
    train = ~tested & ~np.isin(labels.formulas, list(unseen))
    return LabelSplit(protocol, part, np.flatnonzero(train), np.flatnonzero(test), unseen)


def _folds(names: Sequence[str] | NDArray[np.str_]) -> NDArray[np.int64]:
    return np.array([fold_of(str(name)) for name in names])


PROTOCOLS: dict[str, Callable[[DftLabels], Iterator[LabelSplit]]] = {
    "formula": formula_splits,
    "prototype": prototype_splits,
    "anion": anion_splits,
    "random": random_splits,
    "low": lambda labels: iter([low_split(labels)]),
    "tetrahedral": lambda labels: iter([tetrahedral_split(labels)]),
    "family": family_splits,
}
"""Splits of each protocol."""
