"""Splits into training and test rows: those of the paper, and folds that keep formulas or families together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pymatgen.core import Composition

from kappatune.model.folds import Split

PAPER_RUNS = range(1, 10)


def one_group_out(groups: Sequence[str], smallest: int) -> dict[str, Split]:
    """For each group of at least `smallest` rows, a split that tests on the group and trains on all others."""
    group = np.asarray(groups)
    names, counts = np.unique(group, return_counts=True)
    return {
        str(name): (np.flatnonzero(group != name), np.flatnonzero(group == name))
        for name, count in zip(names, counts, strict=True)
        if count >= smallest
    }


def anion(formula: str) -> str:
    """Symbol of the most electronegative element."""
    symbol: str = max(Composition(formula).elements, key=lambda element: (element.X, element.Z)).symbol
    return symbol


def bonding_kind(family: str) -> str:
    """The family, except that zincblende and wurtzite, which share formulas and neighbours, are both `tetrahedral`."""
    return "tetrahedral" if family in ("zincblende", "wurtzite") else family


def paper_split(n: int, run: int) -> Split:
    """One of the paper's 80/20 splits of a small set: `RandomState(run).permutation(n)`."""
    order = np.random.RandomState(run).permutation(n)
    return order[: int(0.8 * n)], order[int(0.8 * n) :]


def split_by_test_rows(test_places: Sequence[int], places: Sequence[int]) -> Split:
    """The paper's split with these test rows; all other rows are trained on.

    Args:
        test_places: Places of the test rows in the paper's order; a place that no row of ours has is ignored.
        places: (n,) place of each of our rows in the paper's order.
    """
    tested = np.isin(np.asarray(places), np.asarray(test_places))
    return np.flatnonzero(~tested), np.flatnonzero(tested)
