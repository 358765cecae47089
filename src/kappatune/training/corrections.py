"""Corrections that trees or a Gaussian process learn from few crystals, distilled into the head.

On a small set both are more accurate than a network, but they store the values of the set. So they serve as teachers:
the head is trained to reproduce their mean and spread all over the space of crystals, and they are discarded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import mse_loss

from kappatune.model.folds import group_folds
from kappatune.model.graphs import CrystalGraphs
from kappatune.model.heads import Correction, KappaNetwork
from kappatune.training.gaussian_process import GaussianProcess
from kappatune.training.stage import StageData, StageResult, all_features
from kappatune.training.trees import Trees

SMALLEST_SPREAD = 0.05
"""Smallest standard deviation that a correction reports, on the scale of the targets."""

_FOLDS = 5
_N_POINTS = 20_000
_BATCH = 256
_LEARNING_RATE = 2e-3
_SLOPE_WEIGHT = 0.02
"""Of the square slope of a correction with ln V, beside the square error in units of the spread of the targets."""


class Teacher(Protocol):
    """What has learnt a correction from labelled crystals."""

    def predict(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the correction, (n,) each, of (n, d) standardised inputs."""

    def refitted(self, inputs: Tensor, targets: Tensor) -> Teacher:
        """One with the same settings that has learnt from other crystals: for cross-validation.

        A process keeps its kernel, which was found on all crystals.
        """


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
class CorrectionData:
    """What a correction is fitted on.

    Attributes:
        features: (n, d) features of the training crystals (`KappaNetwork.features`).
        kappa: (n,) their values, W/(m K).
        formulas: (n,) their reduced formulas.
        unlabelled: (m, d) features of crystals without a label, where the head should agree with the teacher too.
        strained: (n + m, d) features of all these crystals after a small strain, where the head should give what the
            teacher gives without it: kappa then follows the volume as the rung below says. None to leave it free.
        volume_strain: |ln V| of that strain; 0 without one.
    """

    features: Tensor
    kappa: NDArray[np.float64]
    formulas: Sequence[str]
    unlabelled: Tensor
    strained: Tensor | None = None
    volume_strain: float = 0.0


def correction_data(
    network: KappaNetwork, labelled: StageData, unlabelled: CrystalGraphs, volume_strain: float, seed: int
) -> CorrectionData:
    """The features of labelled and of other crystals, as the member that is fitted embeds them.

    With a `volume_strain`, further features are of the same crystals after a strain (`strained_features`).
    """
    graphs = (labelled.graphs, unlabelled)
    strained = (
        torch.cat([strained_features(network, g, volume_strain, seed) for g in graphs]) if volume_strain else None
    )
    features, elsewhere = (all_features(network, g) for g in graphs)
    return CorrectionData(features, labelled.kappa, labelled.formulas, elsewhere, strained, volume_strain)


def strained_features(network: KappaNetwork, graphs: CrystalGraphs, volume_strain: float, seed: int) -> Tensor:
    """(n, d) features of crystals that are each expanded or compressed, at random, by `volume_strain` in |ln V|."""
    signs = torch.randint(0, 2, (len(graphs),), generator=torch.Generator().manual_seed(seed)) * 2.0 - 1.0
    return all_features(network, graphs, volume_strain * signs)


class Mixtures(NamedTuple):
    """Where the head is trained to agree with the teacher: at crystals, between pairs of them, and beyond.

    Attributes:
        first: (n_points,) number of a crystal.
        second: (n_points,) that of another one.
        share: (n_points, 1) how far towards the second, 0 to 1.
        stretch: (n_points, 1) how much farther from the centre of all crystals, 1 to 2.
    """

    first: Tensor
    second: Tensor
    share: Tensor
    stretch: Tensor

    @classmethod
    def draw(cls, n_labelled: int, n_unlabelled: int, seed: int) -> Mixtures:
        """Draw them: labelled crystals, which come first, as often as the others together."""
        draw = torch.Generator().manual_seed(seed)

        def share(chance: float) -> Tensor:
            """Uniform between 0 and 1 for some points, at random, and 0 for the others."""
            is_moved = torch.rand(_N_POINTS, 1, generator=draw) < chance
            return torch.rand(_N_POINTS, 1, generator=draw) * is_moved

        weight = torch.cat([torch.full((n,), 1 / max(n, 1)) for n in (n_labelled, n_unlabelled)])
        first, second = (torch.multinomial(weight, _N_POINTS, replacement=True, generator=draw) for _ in range(2))
        return cls(first, second, share(0.5), 1 + share(0.2))

    def of(self, inputs: Tensor) -> Tensor:
        """(n_points, d) head inputs, from those of all crystals."""
        between = inputs[self.first] + self.share * (inputs[self.second] - inputs[self.first])
        centre = inputs.mean(dim=0)
        return centre + self.stretch * (between - centre)


@dataclass(frozen=True)
class HeldOut:
    """What one member predicts for its training crystals by a teacher not fitted to their formulas.

    That of a process is not quite so: its kernel is kept.

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
    data: CorrectionData,
    seed: int,
) -> tuple[StageResult, HeldOut]:
    """Fit the correction of one rung in place: its head learns to give what it gave before plus what a teacher adds.

    The variance of what it gave before and that of the teacher add up.

    Args:
        network: Member to fit.
        fidelity: Rung that is fitted.
        learner: What teaches it.
        data: Labelled and unlabelled crystals.
        seed: Of the teacher and the distillation.

    Returns:
        What happened, and the errors of teachers in cross-validation by formula; `validation_error` is their mean size.
    """
    started = time.monotonic()
    head = network.heads[fidelity]
    assert isinstance(head, Correction)
    passes = _LEARNERS[learner].passes
    with torch.no_grad():
        inputs = network.head_inputs(data.features, fidelity)
        y = network.scaler.encode(torch.from_numpy(data.kappa).float()) - network(data.features, fidelity).scaled
        x, before_at_rows = head.standardised(inputs), head(inputs)
    n_fixed = len(network.host.fixed_columns(network.level))
    groups = [range(n_fixed), range(n_fixed, x.shape[1])]
    teacher = _LEARNERS[learner].fit(x, y, groups, seed)
    with torch.no_grad():
        error, spread = _cross_validated(teacher, x, y, data.formulas)
        spread = _spread(head, before_at_rows, spread).double()
        held_out = HeldOut(error.numpy() * network.scaler.std, spread.numpy() * network.scaler.std)
        mixtures = Mixtures.draw(len(inputs), len(data.unlabelled), seed)
        points = mixtures.of(torch.cat([inputs, network.head_inputs(data.unlabelled, fidelity)]))
        before = head(points)
        mean, spread = teacher.predict(head.standardised(points))
        targets = torch.stack([before[:, 0] + mean.float(), _spread(head, before, spread).log()], dim=1)
        moved = None if data.strained is None else mixtures.of(network.head_inputs(data.strained, fidelity))
    distil(head, points, targets, seed, passes, moved, data.volume_strain)
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


def distil(
    head: Correction,
    points: Tensor,
    targets: Tensor,
    seed: int,
    passes: int,
    strained: Tensor | None = None,
    volume_strain: float = 0.0,
) -> None:
    """Train a head on (n, 2) targets at (n, d) head inputs, and on as little slope as possible from there to others.

    Args:
        head: Trained in place.
        points: (n, d) head inputs.
        targets: (n, 2) what it is to give there.
        seed: Of the order.
        passes: Over the points.
        strained: (n, d) head inputs of the same crystals after a strain.
        volume_strain: |ln V| of the strain.
    """
    optimiser = torch.optim.Adam(head.parameters(), lr=_LEARNING_RATE, fused=True)
    steps = passes * -(-len(points) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _LEARNING_RATE, total_steps=steps)
    draw = torch.Generator().manual_seed(seed)
    unit = targets.std(dim=0).clamp(min=1e-3)
    inputs, scaled = head.standardised(points), targets / unit
    moved = None if strained is None else head.standardised(strained)
    for _ in range(passes):
        for rows in torch.randperm(len(points), generator=draw).split(_BATCH):
            outputs = head.of_standardised(inputs[rows])
            loss = mse_loss(outputs / unit, scaled[rows])
            if moved is not None:
                slope = (head.of_standardised(moved[rows]) - outputs)[:, 0] / volume_strain
                loss = loss + _SLOPE_WEIGHT * slope.square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
