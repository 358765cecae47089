"""Corrections from a few thousand crystals: a Gaussian process, distilled into the head.

A process has no steps, as trees have; far from all crystals it returns to the mean correction and says so. But it holds
the values it was conditioned on, so that it serves as a teacher, as trees do (`kappatune.training.trees`), and is
discarded.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kappatune.model.folds import group_folds
from kappatune.model.heads import Correction, KappaNetwork
from kappatune.training.gaussian_process import GaussianProcess, KernelSettings, fit_kernel
from kappatune.training.stage import StageResult
from kappatune.training.trees import SMALLEST_SPREAD, HeldOut, distil, sample_points

_FOLDS = 5
_PASSES = 20


def fit_process(
    network: KappaNetwork,
    fidelity: str,
    features: Tensor,
    kappa: NDArray[np.float64],
    formulas: Sequence[str],
    unlabelled: Tensor,
    *,
    seed: int,
) -> tuple[StageResult, HeldOut]:
    """Fit the correction of one rung in place: its head learns to give what it gave before plus what a process adds.

    Args:
        network: Member to fit.
        fidelity: Rung that is fitted.
        features: (n, d) features of the training crystals (`KappaNetwork.features`).
        kappa: (n,) their values, W/(m K).
        formulas: (n,) their reduced formulas.
        unlabelled: (m, d) features of crystals without a label, where the head should agree with the process too.
        seed: Of the crystals that the length scales are found on, and of the distillation.

    Returns:
        What happened, and the errors of processes in cross-validation by formula, with the length scales of all
        crystals; `validation_error` is their mean size.
    """
    started = time.monotonic()
    head = network.heads[fidelity]
    assert isinstance(head, Correction)
    with torch.no_grad():
        inputs = network.head_inputs(features, fidelity)
        y = network.scaler.encode(torch.from_numpy(kappa).float()) - network(features, fidelity).scaled
        x = head.standardised(inputs)
    n_fixed = len(network.host.fixed_columns(network.level))
    groups = [range(n_fixed), range(n_fixed, x.shape[1])]
    unit = y.std(correction=0).clamp(min=1e-6)
    settings = fit_kernel(x, (y - y.mean()) / unit, groups, seed)
    with torch.no_grad():
        error, spread_of_unseen = _cross_validated(x, y, formulas, settings)
        held_out = HeldOut(error * network.scaler.std, spread_of_unseen * network.scaler.std)
        points = torch.cat([sample_points(inputs, network.head_inputs(unlabelled, fidelity), seed), inputs])
        mean, spread = GaussianProcess(x, y, settings).predict(head.standardised(points))
        targets = torch.stack(
            [head(points)[:, 0] + mean.float(), spread.float().clamp(min=SMALLEST_SPREAD).log()], dim=1
        )
    distil(head, points, targets, seed, _PASSES)
    result = StageResult(
        epochs=_PASSES,
        best_epoch=_PASSES,
        validation_error=float(np.abs(held_out.error).mean()),
        n_train=len(y),
        n_validation=0,
        seconds=time.monotonic() - started,
    )
    return result, held_out


def _cross_validated(
    x: Tensor, y: Tensor, formulas: Sequence[str], settings: KernelSettings
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n,) errors and standard deviations of processes that have not seen the formula."""
    error, spread = np.zeros(len(y)), np.full(len(y), float(y.std(correction=0)))
    for train, test in group_folds(formulas, _FOLDS, seed=0):
        if len(train):
            mean, deviation = GaussianProcess(x[train], y[train], settings).predict(x[test])
            error[test], spread[test] = (mean - y[test]).numpy(), deviation.numpy()
    return error, spread.clip(min=SMALLEST_SPREAD)
