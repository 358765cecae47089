"""Corrections from a few dozen crystals: extremely randomised trees, distilled into the head.

On a small set trees are more accurate than a network, but their leaves store the values of the set. So they serve as
a teacher: the head is trained to reproduce their mean and spread all over the space of crystals, and they are
discarded.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor
from torch import Tensor
from torch.nn.functional import mse_loss

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


def fit_trees(
    network: KappaNetwork,
    fidelity: str,
    features: Tensor,
    kappa: NDArray[np.float64],
    formulas: Sequence[str],
    unlabelled: Tensor,
    *,
    seed: int,
) -> StageResult:
    """Fit the correction of one rung in place: its head is trained to give what it gave before plus what trees add.

    Args:
        network: Member to fit.
        fidelity: Rung that is fitted.
        features: (n, d) features of the training crystals (`KappaNetwork.features`).
        kappa: (n,) their values, W/(m K).
        formulas: (n,) their reduced formulas.
        unlabelled: (m, d) features of crystals without a label, where the head should agree with the trees too.
        seed: Of the trees and the distillation.

    Returns:
        What happened; `validation_error` is the mean absolute error of ln kappa of trees, cross-validated by formula.
    """
    started = time.monotonic()
    head = network.heads[fidelity]
    assert isinstance(head, Correction)
    with torch.no_grad():
        inputs = network.head_inputs(features, fidelity)
        errors = network.scaler.encode(torch.from_numpy(kappa).float()) - network(features, fidelity).scaled
        x, y = head.standardised(inputs).numpy(), errors.double().numpy()
        errors_of_unseen = _cross_validated_errors(x, y, formulas, seed)
        trees = _trees(seed).fit(x, y)
        points = sample_points(inputs, network.head_inputs(unlabelled, fidelity), seed)
        each = np.stack([tree.predict(head.standardised(points).numpy()) for tree in trees.estimators_])
        mean = head(points)[:, 0] + torch.from_numpy(each.mean(axis=0)).float()
        spread = torch.from_numpy(each.std(axis=0)).float().clamp(min=SMALLEST_SPREAD)
    distil(head, points, torch.stack([mean, spread.log()], dim=1), seed)
    return StageResult(
        epochs=_PASSES,
        best_epoch=_PASSES,
        validation_error=float(np.abs(errors_of_unseen).mean()) * network.scaler.std,
        n_train=len(y),
        n_validation=0,
        seconds=time.monotonic() - started,
    )


def _trees(seed: int, n_trees: int = N_TREES) -> ExtraTreesRegressor:
    return ExtraTreesRegressor(n_trees, min_samples_leaf=SMALLEST_LEAF, random_state=seed)


def _cross_validated_errors(
    x: NDArray[np.float32], y: NDArray[np.float64], formulas: Sequence[str], seed: int
) -> NDArray[np.float64]:
    """(n,) errors of trees in cross-validation: each crystal's trees have not seen its formula."""
    names, group = np.unique(np.asarray(formulas), return_inverse=True)
    fold = np.random.default_rng(seed).permutation(len(names))[group] % min(_FOLDS, len(names))
    errors = np.zeros(len(y))
    for k in np.unique(fold):
        held = fold == k
        if not held.all():
            errors[held] = _trees(seed, N_TREES // 3).fit(x[~held], y[~held]).predict(x[held]) - y[held]
    return errors


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
    optimiser = torch.optim.Adam(head.parameters(), lr=_LEARNING_RATE)
    steps = passes * -(-len(points) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _LEARNING_RATE, total_steps=steps)
    draw = torch.Generator().manual_seed(seed)
    unit = targets.std(dim=0).clamp(min=1e-3)
    for _ in range(passes):
        for rows in torch.randperm(len(points), generator=draw).split(_BATCH):
            loss = mse_loss(head(points[rows]) / unit, targets[rows] / unit)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
