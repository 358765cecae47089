"""Intervals that hold what they promise: split conformal prediction, normalised by what a model says of itself.

Lei et al., J. Am. Stat. Assoc. 113, 1094 (2018), section 5.2, on ln kappa.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from kappatune.bundle import Calibration
from kappatune.evaluate.splits import group_folds

LEVEL = 0.9
SMALLEST_FAMILY = 20
_FLOORS = (0.0, 0.25, 0.5, 1.0, 2.0)
_NOMINAL = np.linspace(0.05, 0.95, 19)

Values = NDArray[np.float64]


class Coverage(BaseModel):
    """How intervals fare on crystals they were not calibrated on.

    Attributes:
        n: Crystals.
        coverage: Part of the crystals whose value lies inside.
        by_third: The same for the lowest, middle and highest third of kappa.
        by_family: The same for each family of at least 20 crystals.
        median_factor: Median of (upper / lower)^(1/2).
        nominal: Levels asked for.
        observed: Coverage at each of them.
        miscalibration_area: Mean |observed - nominal|.
    """

    model_config = ConfigDict(extra="forbid")

    n: int
    coverage: float
    by_third: tuple[float, float, float]
    by_family: dict[str, float]
    median_factor: float
    nominal: list[float]
    observed: list[float]
    miscalibration_area: float


def calibrate(error: Values, spread: Values, *, date: str) -> Calibration:
    """Fit the factor and the floor of the intervals.

    Args:
        error: (n,) errors of ln kappa at crystals whose formula the model had not seen.
        spread: (n,) standard deviation of ln kappa the model gave them.
        date: ISO 8601.
    """
    floor, factor = _fit(error, spread, LEVEL)
    return Calibration(level=LEVEL, factor=factor, floor_ln=floor, n=len(error), date=date)


def cross_coverage(
    error: Values, spread: Values, kappa: Values, formulas: Sequence[str], families: Sequence[str], seed: int = 0
) -> Coverage:
    """Coverage at each crystal of intervals calibrated on those of other formulas, in ten folds."""
    half = np.empty(len(error))
    observed = np.zeros(len(_NOMINAL))
    for known, asked in group_folds(formulas, 10, seed):
        floor, factor = _fit(error[known], spread[known], LEVEL)
        half[asked] = factor * np.hypot(spread[asked], floor)
        scores = np.abs(error[known]) / np.hypot(spread[known], floor)
        for k, level in enumerate(_NOMINAL):
            reach = _quantile(scores, float(level)) * np.hypot(spread[asked], floor)
            observed[k] += (np.abs(error[asked]) <= reach).sum() / len(error)
    inside = np.abs(error) <= half
    thirds = np.array_split(np.argsort(kappa, kind="stable"), 3)
    family = np.asarray(families)
    names, counts = np.unique(family, return_counts=True)
    return Coverage(
        n=len(error),
        coverage=float(inside.mean()),
        by_third=tuple(float(inside[third].mean()) for third in thirds),  # type: ignore[arg-type]
        by_family={
            str(name): float(inside[family == name].mean())
            for name, count in zip(names, counts, strict=True)
            if count >= SMALLEST_FAMILY
        },
        median_factor=float(np.exp(np.median(half))),
        nominal=_NOMINAL.round(2).tolist(),
        observed=observed.tolist(),
        miscalibration_area=float(np.abs(observed - _NOMINAL).mean()),
    )


def coverage_of(calibration: Calibration, error: Values, spread: Values) -> float:
    """Part of other crystals whose value lies inside calibrated intervals."""
    return float((np.abs(error) <= calibration.half_width(spread)).mean())


def _fit(error: Values, spread: Values, level: float) -> tuple[float, float]:
    """The floor, among some, whose intervals are the narrowest at that level, and its factor."""
    typical = float(np.median(np.abs(error)))
    best = (math.inf, 0.0, 0.0)
    for share in _FLOORS:
        floor = share * typical
        scale = np.hypot(spread, floor)
        factor = _quantile(np.abs(error) / np.maximum(scale, 1e-9), level)
        best = min(best, (float((factor * scale).mean()), floor, factor))
    return best[1], best[2]


def _quantile(scores: Values, level: float) -> float:
    """The conformal quantile: the ceil((n + 1) level)-th smallest score, or the greatest."""
    rank = min(len(scores), math.ceil((len(scores) + 1) * level))
    return float(np.sort(scores)[rank - 1])
