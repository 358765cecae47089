"""Calibrated intervals of the shipped models, and their coverage (`kappatune.training.conformal`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from kappatune.model.folds import group_folds
from kappatune.model.intervals import IntervalCalibration
from kappatune.training.conformal import Errors, Values, fit_widths

LEVEL = 0.9
SMALLEST_FAMILY = 20

_NOMINAL = np.linspace(0.05, 0.95, 19)


class Coverage(BaseModel):
    """Coverage of intervals on crystals they were not calibrated on.

    Attributes:
        n: Crystals.
        coverage: Fraction of crystals whose value lies inside the interval.
        by_third: The same for the lowest, middle and highest third of kappa.
        by_family: The same for each family of at least 20 crystals.
        median_factor: Median of (upper / lower)^(1/2).
        outside: Fraction of crystals outside the domain.
        inside_outside: Coverage inside and outside the domain; null where there is no crystal.
        median_error_ratio: Median |ln kappa| error outside over that inside; null if one has no crystal.
        nominal: Nominal levels.
        observed: Coverage at each of them.
        miscalibration_area: Mean |observed - nominal|.
    """

    model_config = ConfigDict(extra="forbid")

    n: int
    coverage: float
    by_third: tuple[float, float, float]
    by_family: dict[str, float]
    median_factor: float
    outside: float
    inside_outside: tuple[float | None, float | None]
    median_error_ratio: float | None
    nominal: list[float]
    observed: list[float]
    miscalibration_area: float


def calibrate(near: Errors, far: Sequence[Errors], *, date: str) -> IntervalCalibration:
    """Fit the factors and the floor of the intervals.

    Args:
        near: Crystals of families that are trained on.
        far: Those of each other family; outside the domain each family has the same weight, whatever its size.
        date: ISO 8601.
    """
    fitted = fit_widths(near, far, LEVEL)
    n = len(near.error) + sum(int(family.outside.sum()) for family in far)
    return IntervalCalibration(level=LEVEL, n=n, date=date, **fitted._asdict())


def cross_coverage(
    near: Errors, far: Sequence[Errors], kappa: Values, formulas: Sequence[str], families: Sequence[str], seed: int = 0
) -> Coverage:
    """Coverage at each near crystal of intervals calibrated without those of its formula, in ten folds."""
    half = np.empty(len(near.error))
    observed = np.zeros(len(_NOMINAL))
    size = np.abs(near.error)
    for train, test in group_folds(formulas, 10, seed):
        half[test] = fit_widths(near[train], far, LEVEL).half_width(near[test])
        for k, level in enumerate(_NOMINAL):
            reach = fit_widths(near[train], far, float(level)).half_width(near[test])
            observed[k] += (size[test] <= reach).sum() / len(size)
    inside = size <= half
    thirds = np.array_split(np.argsort(kappa, kind="stable"), 3)
    family = np.asarray(families)
    names, counts = np.unique(family, return_counts=True)
    zones = [inside[zone] for zone in (~near.outside, near.outside)]
    has_both = 0 < near.outside.sum() < len(size)
    return Coverage(
        n=len(size),
        coverage=float(inside.mean()),
        by_third=tuple(float(inside[third].mean()) for third in thirds),  # type: ignore[arg-type]
        by_family={
            str(name): float(inside[family == name].mean())
            for name, count in zip(names, counts, strict=True)
            if count >= SMALLEST_FAMILY
        },
        median_factor=float(np.exp(np.median(half))),
        outside=float(near.outside.mean()),
        inside_outside=tuple(float(zone.mean()) if len(zone) else None for zone in zones),  # type: ignore[arg-type]
        median_error_ratio=float(np.median(size[near.outside]) / np.median(size[~near.outside])) if has_both else None,
        nominal=_NOMINAL.round(2).tolist(),
        observed=observed.tolist(),
        miscalibration_area=float(np.abs(observed - _NOMINAL).mean()),
    )


def coverage_of(calibration: IntervalCalibration, errors: Errors) -> float:
    """Fraction of crystals whose value lies inside calibrated intervals."""
    return float((np.abs(errors.error) <= calibration.half_width(errors.spread, errors.outside)).mean())
