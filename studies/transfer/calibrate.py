"""Calibrated intervals: split conformal prediction, normalised by the spread the model estimates.

Lei et al., J. Am. Stat. Assoc. 113, 1094 (2018), section 5.2, on ln kappa. A rung has one factor inside its domain and
one outside (Mondrian conformal prediction: Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World, 2005).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from kappatune.model.folds import group_folds
from kappatune.model.intervals import IntervalCalibration

LEVEL = 0.9
SMALLEST_FAMILY = 20
SMALLEST_ZONE = 30
"""With fewer crystals than this outside the domain, the factor inside serves for them too."""

_FLOORS = (0.0, 0.25, 0.5, 1.0, 2.0)
_NOMINAL = np.linspace(0.05, 0.95, 19)

Values = NDArray[np.float64]


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


@dataclass(frozen=True)
class Errors:
    """Errors that intervals are calibrated and tested on: n crystals whose formula the model had not seen.

    Attributes:
        error: (n,) errors of ln kappa.
        spread: (n,) standard deviation of ln kappa that the model estimated.
        outside: (n,) whether they lie outside the domain.
    """

    error: Values
    spread: Values
    outside: NDArray[np.bool_]

    def __getitem__(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Errors:
        return Errors(self.error[rows], self.spread[rows], self.outside[rows])

    @classmethod
    def joined(cls, parts: Sequence[Errors]) -> Errors:
        """All together."""
        return cls(
            np.concatenate([part.error for part in parts]),
            np.concatenate([part.spread for part in parts]),
            np.concatenate([part.outside for part in parts]),
        )


def calibrate(near: Errors, far: Sequence[Errors], *, date: str) -> IntervalCalibration:
    """Fit the factors and the floor of the intervals.

    Args:
        near: Crystals of families that are trained on.
        far: Those of each other family; outside the domain each family has the same weight, whatever its size.
        date: ISO 8601.
    """
    floor, factor, outside = _fit(near, far, LEVEL)
    n = len(near.error) + sum(int(family.outside.sum()) for family in far)
    return IntervalCalibration(level=LEVEL, factor=factor, factor_outside=outside, floor_ln=floor, n=n, date=date)


def cross_coverage(
    near: Errors, far: Sequence[Errors], kappa: Values, formulas: Sequence[str], families: Sequence[str], seed: int = 0
) -> Coverage:
    """Coverage at each near crystal of intervals calibrated without those of its formula, in ten folds."""
    half = np.empty(len(near.error))
    observed = np.zeros(len(_NOMINAL))
    size = np.abs(near.error)
    for train, test in group_folds(formulas, 10, seed):
        half[test] = _half_width(_fit(near[train], far, LEVEL), near[test])
        for k, level in enumerate(_NOMINAL):
            reach = _half_width(_fit(near[train], far, float(level)), near[test])
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


def _fit(near: Errors, far: Sequence[Errors], level: float) -> tuple[float, float, float | None]:
    """The floor, of a few candidates, that gives the narrowest intervals, and the factors inside and outside."""
    groups = [group for group in (near[near.outside], *(family[family.outside] for family in far)) if len(group.error)]
    has_zone = sum(len(group.error) for group in groups) >= SMALLEST_ZONE and not near.outside.all()
    zone = Errors.joined(groups) if has_zone else near
    weights = np.concatenate([np.full(len(g.error), 1 / len(g.error)) for g in groups]) if has_zone else None
    within = near[~near.outside] if has_zone else near
    typical = float(np.median(np.abs(near.error)))
    best: tuple[float, float, float, float | None] = (math.inf, 0.0, 0.0, None)
    for share in _FLOORS:
        floor = share * typical
        factor = _quantile(_scores(within, floor), level)
        outside = _quantile(_scores(zone, floor), level, weights) if has_zone else None
        width = _half_width((floor, factor, outside), near).mean()
        if width < best[0]:
            best = (float(width), floor, factor, outside)
    return best[1:]


def _scores(errors: Errors, floor: float) -> Values:
    scores: Values = np.abs(errors.error) / np.maximum(np.hypot(errors.spread, floor), 1e-9)
    return scores


def _half_width(fitted: tuple[float, float, float | None], errors: Errors) -> Values:
    floor, factor, outside = fitted
    half: Values = np.where(errors.outside, outside or factor, factor) * np.hypot(errors.spread, floor)
    return half


def _quantile(scores: Values, level: float, weights: Values | None = None) -> float:
    """The conformal quantile: the smallest score that at least (1 + 1/n) `level` of the weight does not exceed.

    With equal weights it is the ceil((n + 1) level)-th smallest score.
    """
    order = np.argsort(scores, kind="stable")
    share = np.full(len(scores), 1 / len(scores)) if weights is None else weights[order] / weights.sum()
    rank = int(np.searchsorted(np.cumsum(share), (1 + 1 / len(scores)) * level - 1e-9))
    return float(scores[order[min(rank, len(scores) - 1)]])
