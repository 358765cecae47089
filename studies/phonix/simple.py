"""Learners that a recipe has to beat: its AGL rung with one constant, and trees on what its correction sees."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kappatune.model.folds import Rows
from studies.phonix.curve_learners import ArmInputs, fit_and_predict, fit_trees
from studies.phonix.labels import DftLabels
from studies.transfer.learners import LearnerOutput

_SEED = 1


class AglWithConstant:
    """The Slack formula of the AGL rung, times one constant: the median of what it lacks on the training rows."""

    def __init__(self, ln_kappa: NDArray[np.float64], kappa: NDArray[np.float64]) -> None:
        """Of (n,) values of the rung, ln of W/(m K), and labels, W/(m K)."""
        self._ln_kappa, self._lacking = ln_kappa, np.log(kappa) - ln_kappa

    def __call__(self, train: Rows, test: Rows) -> LearnerOutput:
        """Fit the constant, predict."""
        return LearnerOutput.without_spread(self._ln_kappa[test] + np.median(self._lacking[train]))


class TreesOnInputs:
    """Extremely randomised trees on what the first member's correction sees, for what the AGL rung lacks."""

    def __init__(self, values: Tensor, ln_kappa: NDArray[np.float64], labels: DftLabels) -> None:
        """Of (n, d) inputs, (n,) values of the AGL rung, ln of W/(m K), and the labels."""
        groups = (range(values.shape[1]),)
        self._inputs = ArmInputs(values.double(), groups, torch.from_numpy(ln_kappa))
        self._truth, self._formulas = torch.from_numpy(np.log(labels.kappa)), labels.formulas

    def __call__(self, train: Rows, test: Rows) -> LearnerOutput:
        """Grow the trees, predict."""
        ln_kappa = fit_and_predict(self._inputs, fit_trees, self._truth, self._formulas, train, test, _SEED)
        return LearnerOutput.without_spread(ln_kappa)
