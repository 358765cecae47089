"""Extremely randomised trees for corrections from few crystals (Geurts, Ernst, Wehenkel, Mach. Learn. 63, 3 (2006))."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.ensemble import ExtraTreesRegressor
from torch import Tensor

N_TREES = 300
SMALLEST_LEAF = 2
"""Fewest crystals in a leaf."""


class Trees:
    """Trees fitted to labelled crystals."""

    def __init__(self, inputs: Tensor, targets: Tensor, seed: int, n_trees: int = N_TREES) -> None:
        """Fit them.

        Args:
            inputs: (n, d) standardised inputs.
            targets: (n,).
            seed: Of the thresholds.
            n_trees: How many.
        """
        self.seed = seed
        self._trees = ExtraTreesRegressor(n_trees, min_samples_leaf=SMALLEST_LEAF, random_state=seed)
        self._trees.fit(inputs.numpy(), targets.double().numpy())

    def predict(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation over the trees, (n,) each, of (n, d) inputs."""
        x = np.ascontiguousarray(inputs.numpy())
        each = np.stack([tree.predict(x, check_input=False) for tree in self._trees.estimators_])
        return torch.from_numpy(each.mean(axis=0)), torch.from_numpy(each.std(axis=0))

    def refitted(self, inputs: Tensor, targets: Tensor) -> Trees:
        """A third as many trees, fitted to other crystals: for cross-validation."""
        return Trees(inputs, targets, self.seed, N_TREES // 3)
