"""Who is trained on and who is tested: the paper's splits, and folds that keep formulas or families together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pymatgen.core import Composition

from kappatune.model.folds import Split

PAPER_RUNS = range(1, 10)


def one_group_out(groups: Sequence[str], smallest: int) -> dict[str, Split]:
    """Each group with at least `smallest` rows against all others."""
    kind = np.asarray(groups)
    names, counts = np.unique(kind, return_counts=True)
    return {
        str(name): (np.flatnonzero(kind != name), np.flatnonzero(kind == name))
        for name, count in zip(names, counts, strict=True)
        if count >= smallest
    }


def anion(formula: str) -> str:
    """Symbol of the most electronegative element."""
    return max(Composition(formula).elements, key=lambda element: (element.X, element.Z)).symbol


def kind_of_bonding(family: str) -> str:
    """The family, but zincblendes and wurtzites, which share their formulas and their neighbours, are one kind."""
    return "tetrahedral" if family in ("zincblende", "wurtzite") else family


def paper_split(n: int, run: int) -> Split:
    """One of the paper's 80/20 splits of a small set: `RandomState(run).permutation(n)`."""
    order = np.random.RandomState(run).permutation(n)
    return order[: int(0.8 * n)], order[int(0.8 * n) :]


def split_by_test_rows(test_places: Sequence[int], places: Sequence[int]) -> Split:
    """A split of the paper by its stored list of test rows; all other rows are trained on.

    Args:
        test_places: Places of the test rows in the paper's order.
        places: (n,) place of each row we have; a place of the list that we lack drops out.
    """
    tested = np.isin(np.asarray(places), np.asarray(test_places))
    return np.flatnonzero(~tested), np.flatnonzero(tested)
