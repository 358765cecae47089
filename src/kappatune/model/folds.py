"""Folds that keep groups together: crystals of one formula are either trained on or tested, never both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Split = tuple[Rows, Rows]
"""Training rows and test rows."""


def group_folds(groups: Sequence[str], n_folds: int, seed: int) -> list[Split]:
    """Cross-validation folds in which no group is divided between training and test rows.

    Args:
        groups: (n,) group of each row: its reduced formula, its family, its anion.
        n_folds: Number of folds; fewer if there are fewer groups.
        seed: Seed of the random assignment of groups to folds.
    """
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    fold = np.random.default_rng(seed).permutation(len(names))[group] % min(n_folds, len(names))
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(min(n_folds, len(names)))]
