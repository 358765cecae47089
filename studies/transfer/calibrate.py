"""Calibrated intervals of a model, and their coverage (`kappatune.training.conformal`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from kappatune.model.folds import group_folds
from kappatune.model.intervals import IntervalCalibration
from kappatune.training.conformal import Errors, Values, fit_widths

LEVEL = 0.9
SMALLEST_FAMILY = 20
_N_FOLDS = 10

_NOMINAL = np.linspace(0.05, 0.95, 19)


class Coverage(BaseModel):
    """Coverage of intervals on crystals they were not calibrated on.

    Attributes:
        n: Crystals.
        n_predictions: Predictions of them: a crystal is predicted once in each split it is tested in.
        coverage: Fraction of predictions whose interval contains the crystal's value.
        by_third: The same for the lowest, middle and highest third of kappa.
        by_family: The same for each family of at least 20 predictions.
        median_factor: Median of (upper / lower)^(1/2).
        outside: Fraction of predictions outside the domain.
        n_outside: Crystals among these.
        inside_outside: Coverage inside and outside the domain; null where there is no crystal.
        median_error_ratio: Median |ln kappa| error outside over that inside; null if one has no crystal.
        nominal: Nominal levels.
        observed: Coverage at each of them.
        miscalibration_area: Mean |observed - nominal|.
    """

    model_config = ConfigDict(extra="forbid")

    n: int
    n_predictions: int
    coverage: float
    by_third: tuple[float, float, float]
    by_family: dict[str, float]
    median_factor: float
    outside: float
    n_outside: int
    inside_outside: tuple[float | None, float | None]
    median_error_ratio: float | None
    nominal: list[float]
    observed: list[float]
    miscalibration_area: float


@dataclass(frozen=True)
class NamedErrors(Errors):
    """Errors of which it is known whose they are.

    Attributes:
        formulas: (n,) reduced formulas.
        crystals: (n,) names; a crystal may be predicted several times, in one split each.
    """

    formulas: NDArray[np.str_]
    crystals: NDArray[np.str_]

    def __getitem__(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> NamedErrors:
        return NamedErrors(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def n_crystals(self) -> int:
        """Number of crystals, each counted once."""
        return len(np.unique(self.crystals))

    def without(self, formulas: NDArray[np.str_]) -> NamedErrors:
        """Those of other formulas."""
        return self[~np.isin(self.formulas, formulas)]


def together(parts: Sequence[NamedErrors]) -> NamedErrors:
    """All errors of several parts."""
    return NamedErrors(*(np.concatenate([getattr(p, field.name) for p in parts]) for field in fields(NamedErrors)))


def calibrate(near: NamedErrors, far: Sequence[NamedErrors], *, date: str) -> IntervalCalibration:
    """Fit the factors and the floor of the intervals.

    Args:
        near: Crystals of families that are trained on.
        far: Those of each other family; outside the domain each family has the same weight, whatever its size.
        date: ISO 8601.
    """
    fitted = fit_widths(near, far, LEVEL)
    n = together([near, *(family[family.outside] for family in far)]).n_crystals
    return IntervalCalibration(level=LEVEL, n=n, date=date, **fitted._asdict())


def fold_half_widths(near: NamedErrors, far: Sequence[NamedErrors], level: float, seed: int = 0) -> Values:
    """(n,) half-widths at the near crystals, calibrated without any prediction of their formula, in ten folds.

    Args:
        near: As in `calibrate`.
        far: As in `calibrate`.
        level: Fraction of the crystals whose value is to lie inside.
        seed: Of the folds.
    """
    half = np.empty(len(near.error))
    for train, test in group_folds(near.formulas.tolist(), _N_FOLDS, seed):
        others = [family.without(near.formulas[test]) for family in far]
        half[test] = fit_widths(near[train], others, level).half_width(near[test])
    return half


def cross_coverage(
    near: NamedErrors, far: Sequence[NamedErrors], kappa: Values, families: Sequence[str], seed: int = 0
) -> Coverage:
    """Coverage at each near crystal of intervals calibrated without any prediction of its formula, in ten folds.

    Args:
        near: As in `calibrate`.
        far: As in `calibrate`.
        kappa: (n,) true conductivity of the near crystals, W/(m K).
        families: (n,) their families.
        seed: Of the folds.
    """
    half = fold_half_widths(near, far, LEVEL, seed)
    size = np.abs(near.error)
    observed = np.array([(size <= fold_half_widths(near, far, float(level), seed)).mean() for level in _NOMINAL])
    inside = size <= half
    thirds = np.array_split(np.argsort(kappa, kind="stable"), 3)
    family = np.asarray(families)
    names, counts = np.unique(family, return_counts=True)
    zones = [inside[zone] for zone in (~near.outside, near.outside)]
    has_both = 0 < near.outside.sum() < len(size)
    return Coverage(
        n=near.n_crystals,
        n_predictions=len(size),
        coverage=float(inside.mean()),
        by_third=tuple(float(inside[third].mean()) for third in thirds),  # type: ignore[arg-type]
        by_family={
            str(name): float(inside[family == name].mean())
            for name, count in zip(names, counts, strict=True)
            if count >= SMALLEST_FAMILY
        },
        median_factor=float(np.exp(np.median(half))),
        outside=float(near.outside.mean()),
        n_outside=near[near.outside].n_crystals,
        inside_outside=tuple(float(zone.mean()) if len(zone) else None for zone in zones),  # type: ignore[arg-type]
        median_error_ratio=float(np.median(size[near.outside]) / np.median(size[~near.outside])) if has_both else None,
        nominal=_NOMINAL.round(2).tolist(),
        observed=observed.tolist(),
        miscalibration_area=float(np.abs(observed - _NOMINAL).mean()),
    )


def coverage_of(calibration: IntervalCalibration, errors: Errors) -> float:
    """Fraction of crystals whose value lies inside calibrated intervals."""
    return float((np.abs(errors.error) <= calibration.half_width(errors.spread, errors.outside)).mean())
