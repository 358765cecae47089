"""Corrections that trees or a Gaussian process learn from few crystals, distilled into the head.

On a small set both are more accurate than a network, but they store the values of the set. So they serve as teachers:
the head is trained to reproduce their mean and spread all over the space of crystals, and they are discarded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import mse_loss

from kappatune.model.folds import group_folds
from kappatune.model.heads import Correction, KappaNetwork
from kappatune.training.gaussian_process import GaussianProcess
from kappatune.training.stage import StageResult
from kappatune.training.trees import Trees

SMALLEST_SPREAD = 0.05
"""Smallest standard deviation that a correction reports, on the scale of the targets."""

_FOLDS = 5
_N_POINTS = 20_000
_BATCH = 256
_LEARNING_RATE = 2e-3


class Teacher(Protocol):
    """What has learnt a correction from labelled crystals."""

    def predict(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the correction, (n,) each, of (n, d) standardised inputs."""

    def refitted(self, inputs: Tensor, targets: Tensor) -> Teacher:
        """One with the same settings that has learnt from other crystals: for cross-validation."""


@dataclass(frozen=True)
class _Learner:
    """How a teacher is made, and how the head learns from it.

    Attributes:
        fit: Of (n, d) inputs, (n,) targets, groups of columns and a seed.
        passes: Of the head over the points where it learns.
    """

    fit: Callable[[Tensor, Tensor, Sequence[range], int], Teacher]
    passes: int


_LEARNERS = {
    "trees": _Learner(lambda x, y, _, seed: Trees(x, y, seed), passes=12),
    "gaussian-process": _Learner(GaussianProcess.fit, passes=20),
}


@dataclass(frozen=True)
class HeldOut:
    """What one member predicts for its training crystals by a teacher that has not seen their formulas.

    Attributes:
        error: (n,) errors of ln kappa.
        spread: (n,) standard deviations of ln kappa that the correction reports.
    """

    error: NDArray[np.float64]
    spread: NDArray[np.float64]


def fit_correction(
    network: KappaNetwork,
    fidelity: str,
    learner: Literal["trees", "gaussian-process"],
    features: Tensor,
    kappa: NDArray[np.float64],
    formulas: Sequence[str],
    unlabelled: Tensor,
    *,
    seed: int,
) -> tuple[StageResult, HeldOut]:
    """Fit the correction of one rung in place: its head learns to give what it gave before plus what a teacher adds.

    The variance of what it gave before and that of the teacher add up.

    Args:
        network: Member to fit.
        fidelity: Rung that is fitted.
        learner: What teaches it.
        features: (n, d) features of the training crystals (`KappaNetwork.features`).
        kappa: (n,) their values, W/(m K).
        formulas: (n,) their reduced formulas.
        unlabelled: (m, d) features of crystals without a label, where the head should agree with the teacher too.
        seed: Of the teacher and the distillation.

    Returns:
        What happened, and the errors of teachers in cross-validation by formula; `validation_error` is their mean size.
    """
    started = time.monotonic()
    head = network.heads[fidelity]
    assert isinstance(head, Correction)
    passes = _LEARNERS[learner].passes
    with torch.no_grad():
        inputs = network.head_inputs(features, fidelity)
        y = network.scaler.encode(torch.from_numpy(kappa).float()) - network(features, fidelity).scaled
        x, before_at_rows = head.standardised(inputs), head(inputs)
    n_fixed = len(network.host.fixed_columns(network.level))
    groups = [range(n_fixed), range(n_fixed, x.shape[1])]
    teacher = _LEARNERS[learner].fit(x, y, groups, seed)
    with torch.no_grad():
        error, spread = _cross_validated(teacher, x, y, formulas)
        spread = _spread(head, before_at_rows, spread).double()
        held_out = HeldOut(error.numpy() * network.scaler.std, spread.numpy() * network.scaler.std)
        points = sample_points(inputs, network.head_inputs(unlabelled, fidelity), seed)
        before = head(points)
        mean, spread = teacher.predict(head.standardised(points))
        targets = torch.stack([before[:, 0] + mean.float(), _spread(head, before, spread).log()], dim=1)
    distil(head, points, targets, seed, passes)
    result = StageResult(
        epochs=passes,
        best_epoch=passes,
        validation_error=float(np.abs(held_out.error).mean()),
        n_train=len(y),
        n_validation=0,
        seconds=time.monotonic() - started,
    )
    return result, held_out


def _spread(head: Correction, before: Tensor, spread_of_teacher: Tensor) -> Tensor:
    """(n,) standard deviations that a correction is to report, from those before and those of the teacher."""
    spread = spread_of_teacher.float()
    if not head.is_new:
        spread = torch.hypot(before[:, 1].exp(), spread)
    return spread.clamp(min=SMALLEST_SPREAD)


def _cross_validated(teacher: Teacher, x: Tensor, y: Tensor, formulas: Sequence[str]) -> tuple[Tensor, Tensor]:
    """(n,) errors and spreads of teachers in cross-validation: that of each crystal has not seen its formula.

    The folds are those of every member, so that the members can be averaged.
    """
    mean, spread = torch.zeros(len(y), dtype=torch.float64), torch.zeros(len(y), dtype=torch.float64)
    for train, test in group_folds(formulas, _FOLDS, seed=0):
        if len(train):
            mean[test], spread[test] = teacher.refitted(x[train], y[train]).predict(x[test])
    return mean - y.double(), spread


def sample_points(labelled: Tensor, unlabelled: Tensor, seed: int) -> Tensor:
    """Where the head is trained to agree with the teacher: at crystals, between pairs of them, and beyond.

    Args:
        labelled: (n, d) head inputs of the training crystals, drawn as often as the others together.
        unlabelled: (m, d) head inputs of other crystals.
        seed: Of the draw.

    Returns:
        (n_points, d) head inputs.
    """
    draw = torch.Generator().manual_seed(seed)

    def share(chance: float) -> Tensor:
        """Uniform between 0 and 1 for some points, at random, and 0 for the others."""
        is_moved = torch.rand(_N_POINTS, 1, generator=draw) < chance
        return torch.rand(_N_POINTS, 1, generator=draw) * is_moved

    known = torch.cat([labelled, unlabelled])
    weight = torch.cat([x.new_full((len(x),), 1 / max(len(x), 1)) for x in (labelled, unlabelled)])
    first, second = (known[torch.multinomial(weight, _N_POINTS, replacement=True, generator=draw)] for _ in range(2))
    between = first + share(0.5) * (second - first)
    centre = known.mean(dim=0)
    return centre + (1 + share(0.2)) * (between - centre)


def distil(head: Correction, points: Tensor, targets: Tensor, seed: int, passes: int) -> None:
    """Train a head on (n, 2) targets at (n, d) head inputs."""
    optimiser = torch.optim.Adam(head.parameters(), lr=_LEARNING_RATE, fused=True)
    steps = passes * -(-len(points) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _LEARNING_RATE, total_steps=steps)
    draw = torch.Generator().manual_seed(seed)
    unit = targets.std(dim=0).clamp(min=1e-3)
    inputs, scaled = head.standardised(points), targets / unit
    for _ in range(passes):
        for rows in torch.randperm(len(points), generator=draw).split(_BATCH):
            loss = mse_loss(head.of_standardised(inputs[rows]) / unit, scaled[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
