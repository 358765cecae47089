"""Corrections from a few dozen crystals: extremely randomised trees, distilled into the head.

On a small set trees are more accurate than a network, but their leaves store the values of the set. So they serve as
a teacher: the head is trained to reproduce their mean and spread all over the space of crystals, and they are
discarded.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor
from torch import Tensor
from torch.nn.functional import mse_loss

from kappatune.model.folds import group_folds
from kappatune.model.heads import Correction, KappaNetwork
from kappatune.training.stage import StageResult

N_TREES = 300
SMALLEST_LEAF = 2
"""Fewest crystals in a leaf."""

SMALLEST_SPREAD = 0.05
"""Smallest standard deviation that a correction reports, on the scale of the targets."""

_FOLDS = 5
_N_POINTS = 20_000
_BATCH = 256
_PASSES = 12
_LEARNING_RATE = 2e-3


@dataclass(frozen=True)
class HeldOut:
    """What one member predicts for its training crystals by a teacher that has not seen their formulas.

    Attributes:
        error: (n,) errors of ln kappa.
        spread: (n,) standard deviations of ln kappa that the correction reports.
    """

    error: NDArray[np.float64]
    spread: NDArray[np.float64]


def fit_trees(
    network: KappaNetwork,
    fidelity: str,
    features: Tensor,
    kappa: NDArray[np.float64],
    formulas: Sequence[str],
    unlabelled: Tensor,
    *,
    seed: int,
) -> tuple[StageResult, HeldOut]:
    """Fit the correction of one rung in place: its head is trained to give what it gave before plus what trees add.

    The variance of what it gave before and that of the trees add up.

    Args:
        network: Member to fit.
        fidelity: Rung that is fitted.
        features: (n, d) features of the training crystals (`KappaNetwork.features`).
        kappa: (n,) their values, W/(m K).
        formulas: (n,) their reduced formulas.
        unlabelled: (m, d) features of crystals without a label, where the head should agree with the trees too.
        seed: Of the trees and the distillation.

    Returns:
        What happened, and the errors of trees in cross-validation by formula; `validation_error` is their mean size.
    """
    started = time.monotonic()
    head = network.heads[fidelity]
    assert isinstance(head, Correction)
    with torch.no_grad():
        inputs = network.head_inputs(features, fidelity)
        errors = network.scaler.encode(torch.from_numpy(kappa).float()) - network(features, fidelity).scaled
        x, y = head.standardised(inputs).numpy(), errors.double().numpy()
        points = sample_points(inputs, network.head_inputs(unlabelled, fidelity), seed)
        before, before_at_rows = head(points), head(inputs)
        error, spread_of_trees = _cross_validated(x, y, formulas, seed)
        spread = _spread(head, before_at_rows, spread_of_trees)
        held_out = HeldOut(error * network.scaler.std, spread.double().numpy() * network.scaler.std)
        mean, spread_of_trees = _mean_and_spread(_trees(seed).fit(x, y), head.standardised(points).numpy())
        targets = [before[:, 0] + torch.from_numpy(mean).float(), _spread(head, before, spread_of_trees).log()]
    distil(head, points, torch.stack(targets, dim=1), seed)
    result = StageResult(
        epochs=_PASSES,
        best_epoch=_PASSES,
        validation_error=float(np.abs(held_out.error).mean()),
        n_train=len(y),
        n_validation=0,
        seconds=time.monotonic() - started,
    )
    return result, held_out


def _trees(seed: int, n_trees: int = N_TREES) -> ExtraTreesRegressor:
    return ExtraTreesRegressor(n_trees, min_samples_leaf=SMALLEST_LEAF, random_state=seed)


def _mean_and_spread(
    trees: ExtraTreesRegressor, x: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n,) mean and standard deviation over the trees."""
    x = np.ascontiguousarray(x)
    each = np.stack([tree.predict(x, check_input=False) for tree in trees.estimators_])
    return each.mean(axis=0), each.std(axis=0)


def _spread(head: Correction, before: Tensor, spread_of_trees: NDArray[np.float64]) -> Tensor:
    """(n,) standard deviations that a correction is to report, from those before and those of the trees."""
    spread = torch.from_numpy(spread_of_trees).float()
    if not head.is_new:
        spread = torch.hypot(before[:, 1].exp(), spread)
    return spread.clamp(min=SMALLEST_SPREAD)


def _cross_validated(
    x: NDArray[np.float32], y: NDArray[np.float64], formulas: Sequence[str], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n,) errors and spreads of trees in cross-validation: each crystal's trees have not seen its formula.

    The folds are those of every member, so that the members can be averaged.
    """
    mean, spread = np.zeros(len(y)), np.zeros(len(y))
    for train, test in group_folds(formulas, _FOLDS, seed=0):
        if len(train):
            mean[test], spread[test] = _mean_and_spread(_trees(seed, N_TREES // 3).fit(x[train], y[train]), x[test])
    return mean - y, spread


def sample_points(labelled: Tensor, unlabelled: Tensor, seed: int) -> Tensor:
    """Where the head is trained to agree with the trees: at crystals, between pairs of them, and beyond.

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


def distil(head: Correction, points: Tensor, targets: Tensor, seed: int, passes: int = _PASSES) -> None:
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
