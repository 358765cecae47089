"""Prediction intervals: how far kappa may be from the prediction, as it was calibrated for each rung."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

INTERVAL_SIGMAS = 1.645
"""Half-width of an uncalibrated interval, in standard deviations of ln kappa: 90 % of a normal distribution."""

IntervalKind = Literal["calibrated", "partly calibrated", "not calibrated"]
"""What an interval rests on: errors on formulas the model had not seen; errors on few of these, together with the
interval of the model that it was trained from; or nothing but the spread that the model estimates, which is too narrow
as a rule."""

NOT_CALIBRATED: IntervalKind = "not calibrated"

INTERVAL_MEANING: dict[IntervalKind, str] = {
    "calibrated": "they were calibrated on formulas that the model had not learnt",
    "partly calibrated": "they rest mainly on those of the model that training started from, for lack of own values",
    "not calibrated": "they are the spread that the model estimates, which is too narrow as a rule",
}
"""Each kind in words for people."""


class IntervalCalibration(BaseModel):
    """How wide the intervals of one rung are: factor * sqrt(spread^2 + floor^2) on either side of ln kappa.

    The spread is the model's own estimate of its uncertainty: `ln_kappa_spread`. Crystals outside the domain of the
    rung have a factor of their own. Factors and floor come from conformal prediction (`kappatune.training.conformal`).

    Attributes:
        level: Fraction of the crystals whose value lies inside.
        factor: Conformal quantile of the errors in units of the root.
        factor_outside: The same outside the domain; None if there is no domain, or too few crystals outside it.
        floor_ln: Smallest spread of ln kappa that counts.
        n: Number of crystals it was fitted on, of formulas the model had not seen.
        date: When it was fitted, ISO 8601.
        n_formulas: Number of their formulas; 0 where it was not recorded, in models without `n_start`.
        n_start: Number of crystals for which the interval of the start model stood in; 0 without one.
        coverage: Fraction of the n crystals whose value lies inside intervals that were fitted without their formula;
            None if there are none, or if it was not measured.
        width: Median of (upper / lower)^(1/2) over these crystals; likewise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: float = Field(gt=0, lt=1)
    factor: float = Field(gt=0)
    factor_outside: float | None = Field(default=None, gt=0)
    floor_ln: float = Field(ge=0)
    n: int = Field(ge=0)
    date: str
    n_formulas: int = Field(default=0, ge=0)
    n_start: int = Field(default=0, ge=0)
    coverage: float | None = Field(default=None, ge=0, le=1)
    width: float | None = Field(default=None, ge=1)

    @property
    def kind(self) -> IntervalKind:
        """What its intervals rest on."""
        return "calibrated" if self.n_formulas >= self.n_start else "partly calibrated"

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
