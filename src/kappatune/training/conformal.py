"""Conformal prediction: widths of intervals from errors on formulas that a model had not seen.

Split conformal prediction on ln kappa, normalised by the spread that the model estimates: Lei et al., J. Am. Stat.
Assoc. 113, 1094 (2018), section 5.2. A rung has one factor inside its domain and one outside (Mondrian conformal
prediction: Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World, 2005).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

SMALLEST_ZONE = 30
"""With fewer crystals than this outside the domain, the factor inside serves for them too."""

START_WEIGHT = 19
"""Number of crystals for which the interval of a start model counts beside own errors; with 19, the factor of nine
crystals in ten is the start model's own as long as there are no others."""

_FLOORS = (0.0, 0.25, 0.5, 1.0, 2.0)

Values = NDArray[np.float64]


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

    def scores(self, floor_ln: float) -> Values:
        """(n,) absolute errors in units of sqrt(spread^2 + floor_ln^2)."""
        scores: Values = np.abs(self.error) / np.maximum(np.hypot(self.spread, floor_ln), 1e-9)
        return scores


class Widths(NamedTuple):
    """Half-widths of intervals: a factor times sqrt(spread^2 + floor_ln^2).

    Attributes:
        floor_ln: Smallest spread of ln kappa that counts.
        factor: Inside the domain.
        factor_outside: Outside it; None where too few crystals lie there.
    """

    floor_ln: float
    factor: float
    factor_outside: float | None

    def half_width(self, errors: Errors) -> Values:
        """(n,) half-widths in ln kappa."""
        factor = np.where(errors.outside, self.factor_outside or self.factor, self.factor)
        half: Values = factor * np.hypot(errors.spread, self.floor_ln)
        return half


def fit_widths(near: Errors, far: Sequence[Errors], level: float) -> Widths:
    """The floor, of a few candidates, that gives the narrowest intervals, and the factors inside and outside.

    Args:
        near: Crystals of families that are trained on.
        far: Those of each other family; outside the domain each family has the same weight, whatever its size.
        level: Fraction of the crystals whose value is to lie inside.
    """
    groups = [group for group in (near[near.outside], *(family[family.outside] for family in far)) if len(group.error)]
    has_zone = sum(len(group.error) for group in groups) >= SMALLEST_ZONE and not near.outside.all()
    zone = Errors.joined(groups) if has_zone else near
    weights = np.concatenate([np.full(len(g.error), 1 / len(g.error)) for g in groups]) if has_zone else None
    within = near[~near.outside] if has_zone else near
    typical = float(np.median(np.abs(near.error)))
    best, narrowest = Widths(0.0, 0.0, None), math.inf
    for share in _FLOORS if near.spread.all() else _FLOORS[1:]:
        floor = share * typical
        factor = conformal_quantile(within.scores(floor), level)
        outside = conformal_quantile(zone.scores(floor), level, weights) if has_zone else None
        fitted = Widths(floor, factor, outside)
        width = float(fitted.half_width(near).mean())
        if width < narrowest:
            best, narrowest = fitted, width
    return best


def blended_widths(own: Errors, start: Widths, level: float) -> Widths:
    """Factors from own errors and from what the model that was trained further promised.

    Its interval stands for `START_WEIGHT` crystals inside the domain and as many outside, whose scores are the evenly
    spaced quantiles of the half-normal distribution that has its factor at `level`. Few own errors can hardly narrow
    the interval, but widen it soon if they are large.

    Args:
        own: Errors on formulas that were not trained on; there may be none.
        start: Widths of the start model.
        level: Fraction of the crystals whose value is to lie inside.
    """
    evenly = np.arange(1, START_WEIGHT + 1) / (START_WEIGHT + 1)
    promised = ndtri((1 + evenly) / 2) / ndtri((1 + level) / 2)

    def factor(zone: Errors, before: float) -> float:
        return conformal_quantile(np.concatenate([zone.scores(start.floor_ln), before * promised]), level)

    outside = factor(own[own.outside], start.factor_outside or start.factor)
    return Widths(start.floor_ln, factor(own[~own.outside], start.factor), outside)


def conformal_quantile(scores: Values, level: float, weights: Values | None = None) -> float:
    """The conformal quantile: the smallest score that at least (1 + 1/n) `level` of the weight does not exceed.

    With equal weights it is the ceil((n + 1) level)-th smallest score.
    """
    order = np.argsort(scores, kind="stable")
    share = np.full(len(scores), 1 / len(scores)) if weights is None else weights[order] / weights.sum()
    rank = int(np.searchsorted(np.cumsum(share), (1 + 1 / len(scores)) * level - 1e-9))
    return float(scores[order[min(rank, len(scores) - 1)]])
