"""Prediction intervals: how far kappa may be from the prediction, as the benchmark calibrated it for each rung."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

INTERVAL_SIGMAS = 1.645
"""Half-width of an uncalibrated interval, in standard deviations of ln kappa: 90 % of a normal distribution."""


class IntervalCalibration(BaseModel):
    """How wide the intervals of one rung are: factor * sqrt(spread^2 + floor^2) on either side of ln kappa.

    The spread is the model's own estimate of its uncertainty: `ln_kappa_spread`. Crystals outside the domain of the
    rung have a factor of their own. Factors and floor come from split conformal prediction.

    Attributes:
        level: Fraction of the crystals whose value lies inside.
        factor: Conformal quantile of the errors in units of the root.
        factor_outside: The same outside the domain; None if there is no domain, or too few crystals outside it.
        floor_ln: Smallest spread of ln kappa that counts.
        n: Number of crystals it was fitted on, of formulas the model had not seen.
        date: When it was fitted, ISO 8601.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: float = Field(gt=0, lt=1)
    factor: float = Field(gt=0)
    factor_outside: float | None = Field(default=None, gt=0)
    floor_ln: float = Field(ge=0)
    n: int = Field(ge=1)
    date: str

    def half_width(self, spread_ln: NDArray[np.float64], outside: NDArray[np.bool_]) -> NDArray[np.float64]:
        """(n,) half-widths of the intervals in ln kappa.

        Args:
            spread_ln: (n,) spreads of ln kappa.
            outside: (n,) whether a crystal lies outside the domain.
        """
        factor = np.where(outside, self.factor_outside or self.factor, self.factor)
        half: NDArray[np.float64] = factor * np.hypot(spread_ln, self.floor_ln)
        return half


def ln_kappa_spread(ln_kappa: NDArray[np.float64], correction_spread: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation of ln kappa: that between the members and that of their corrections, added in squares.

    Args:
        ln_kappa: (n_members, n) ln of kappa.
        correction_spread: (n_members, n) standard deviation of ln kappa that each member's correction estimates;
            zero without a correction.

    Returns:
        (n,); NaN for a single member without a correction, which cannot estimate its spread.
    """
    n_members = len(ln_kappa)
    between: NDArray[Any] = ln_kappa.var(axis=0, ddof=1) if n_members > 1 else np.zeros(ln_kappa.shape[1])
    total: NDArray[np.float64] = np.sqrt(between + np.square(correction_spread).mean(axis=0))
    return np.where(total > 0, total, np.nan) if n_members == 1 else total
