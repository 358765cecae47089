"""Gaussian process regression (Rasmussen and Williams, 2006) with one length scale per input, for corrections.

The kernel is Matérn's with nu = 3/2. Far from all crystals it has seen, the process returns to its mean and says so by
its standard deviation. Some labels are far off: the noise is Student's t, by reweighting (their section 9.3 names the
likelihood; the reweighting is that of Lange, Little and Taylor, J. Am. Stat. Assoc. 84, 881 (1989)).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

_DEGREES_OF_FREEDOM = 4.0
_REWEIGHTINGS = 2
_SUBSET = 700
"""Crystals on which the length scales are found."""

_STEPS = 60
_GROUP_RATE, _COLUMN_RATE = 0.08, 0.05
_COLUMN_PENALTY = 0.02
"""Per unit of |ln| by which the length scale of a column may differ from that of its group: most should not."""

_NOISE = 0.2
_SMALLEST_NOISE = 1e-3
_BLOCK = 2_000


class KernelSettings(NamedTuple):
    """What the kernel has learnt, for targets of unit spread.

    Attributes:
        scale: (d,) inverse length scale of each column.
        variance: Of the process.
        noise: Variance of the noise of one label.
    """

    scale: Tensor
    variance: Tensor
    noise: Tensor


def fit_kernel(inputs: Tensor, targets: Tensor, groups: Sequence[range], seed: int) -> KernelSettings:
    """Length scales, variance and noise of the largest marginal likelihood, by gradient on a random subset.

    Args:
        inputs: (n, d) standardised inputs.
        targets: (n,) targets of zero mean and unit spread.
        groups: Columns that begin with a common length scale; together they are all columns.
        seed: Of the subset.
    """
    chosen = torch.randperm(len(targets), generator=torch.Generator().manual_seed(seed))[:_SUBSET]
    x, y = inputs[chosen].double(), targets[chosen].double()[:, None]
    group_of = torch.empty(inputs.shape[1], dtype=torch.int64)
    for k, columns in enumerate(groups):
        group_of[columns.start : columns.stop] = k
    widths = torch.tensor([2.0 * len(columns) * len(groups) for columns in groups], dtype=torch.float64)
    of_group = (-0.5 * widths.log()).requires_grad_()
    of_column = torch.zeros(inputs.shape[1], dtype=torch.float64, requires_grad=True)
    ln_variance = torch.zeros((), dtype=torch.float64, requires_grad=True)
    ln_noise = torch.tensor(math.log(_NOISE), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam(
        [
            {"params": [of_group, ln_variance, ln_noise], "lr": _GROUP_RATE},
            {"params": [of_column], "lr": _COLUMN_RATE},
        ]
    )
    for _ in range(_STEPS):
        settings = KernelSettings((of_group[group_of] + of_column).exp(), ln_variance.exp(), ln_noise.exp())
        lower = torch.linalg.cholesky(_covariance(x, settings, torch.ones(len(y), dtype=torch.float64)))
        likelihood = 0.5 * (y * torch.cholesky_solve(y, lower)).sum() + lower.diagonal().log().sum()
        optimiser.zero_grad()
        (likelihood + _COLUMN_PENALTY * of_column.abs().sum()).backward()
        optimiser.step()
    with torch.no_grad():
        return KernelSettings((of_group[group_of] + of_column).exp(), ln_variance.exp(), ln_noise.exp())


class GaussianProcess:
    """A process conditioned on labelled crystals.

    Attributes:
        settings: Of its kernel.
        mean: Of the targets, to which it returns.
        spread: Standard deviation of the targets.
    """

    def __init__(self, inputs: Tensor, targets: Tensor, settings: KernelSettings) -> None:
        """Condition the process.

        Args:
            inputs: (n, d) standardised inputs.
            targets: (n,).
            settings: Of the kernel.
        """
        self.settings = settings
        self.mean, self.spread = float(targets.mean()), float(targets.std(correction=0)) or 1.0
        self._inputs = inputs.double()
        y = (targets.double() - self.mean) / self.spread
        weights = torch.ones_like(y)
        for left in range(_REWEIGHTINGS, -1, -1):
            noise = settings.noise * weights + _SMALLEST_NOISE
            self._lower = torch.linalg.cholesky(_covariance(self._inputs, settings, weights))
            self._coefficients = torch.cholesky_solve(y[:, None], self._lower)[:, 0]
            if left:
                residual = noise * self._coefficients
                square = residual.square() / settings.noise
                weights = (_DEGREES_OF_FREEDOM + square) / (_DEGREES_OF_FREEDOM + 1.0)

    @classmethod
    def fit(cls, inputs: Tensor, targets: Tensor, groups: Sequence[range], seed: int) -> GaussianProcess:
        """Learn the kernel, then condition on all crystals; arguments as of `fit_kernel`, targets on any scale."""
        spread = targets.std(correction=0).clamp(min=1e-9)
        return cls(inputs, targets, fit_kernel(inputs, (targets - targets.mean()) / spread, groups, seed))

    def refitted(self, inputs: Tensor, targets: Tensor) -> GaussianProcess:
        """A process with the same kernel, conditioned on other crystals; arguments as for the process itself."""
        return GaussianProcess(inputs, targets, self.settings)

    def predict(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, that of a label's noise included, (n,) each, of (n, d) inputs."""
        parts = [self._predict(block) for block in inputs.double().split(_BLOCK)]
        mean, spread = (torch.cat(part) for part in zip(*parts, strict=True))
        return mean, spread

    def _predict(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        between = _kernel(inputs, self._inputs, self.settings)
        explained = torch.linalg.solve_triangular(self._lower, between.T, upper=False).square().sum(dim=0)
        variance = (self.settings.variance - explained).clamp(min=0.0) + self.settings.noise
        return self.mean + self.spread * (between @ self._coefficients), self.spread * variance.sqrt()


def _covariance(inputs: Tensor, settings: KernelSettings, weights: Tensor) -> Tensor:
    """(n, n) covariance of noisy labels, the noise of each times its weight (n,)."""
    return _kernel(inputs, inputs, settings) + torch.diag(settings.noise * weights + _SMALLEST_NOISE)


def _kernel(first: Tensor, second: Tensor, settings: KernelSettings) -> Tensor:
    """(n, m) Matérn covariance of (n, d) and (m, d) inputs."""
    a, b = first * settings.scale, second * settings.scale
    square = a.square().sum(dim=1)[:, None] + b.square().sum(dim=1) - 2.0 * a @ b.T
    distance = (3.0 * square.clamp(min=0.0) + 1e-12).sqrt()
    kernel: Tensor = settings.variance * (1.0 + distance) * torch.exp(-distance)
    return kernel
