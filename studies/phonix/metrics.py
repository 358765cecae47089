"""How good predictions of DFT conductivities are: errors, ranks, what a screen for low kappa finds, and intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy.stats import spearmanr

from studies.phonix.labels import DftLabels
from studies.phonix.splits import SMALLEST_FAMILY
from studies.transfer.metrics import LOWEST_FRACTION, bootstrap

N_LOWEST = 100
LOWEST_KAPPA = 1.0
"""W/(m K): a crystal below it is what a screen of the lowest predictions looks for."""

SOFT_KAPPA = 3.0
"""W/(m K): below it, values are also asked to be within a factor of 3."""

_FEWEST_FOR_RANK = 3

Values = NDArray[np.float64]


class PartErrors(BaseModel):
    """Errors within a part of the tested crystals.

    Attributes:
        n: Crystals.
        mean_abs_log10: Mean |log10(predicted / true)|.
        bias_log10: Mean log10(predicted / true).
        coverage: Fraction whose true value lies in its interval; null without intervals.
    """

    model_config = ConfigDict(extra="forbid")

    n: int
    mean_abs_log10: float
    bias_log10: float
    coverage: float | None = None


class IntervalQuality(BaseModel):
    """What intervals and domain are worth.

    Attributes:
        coverage: Fraction of the true values inside the 90 % interval.
        outside: Fraction of the crystals flagged as out of domain.
        median_width_inside: Median of upper over lower end, in domain; null if no crystal is.
        median_width_outside: The same out of domain.
        error_ratio: Mean |log10| error out of domain over that inside; null if either is empty.
    """

    model_config = ConfigDict(extra="forbid")

    coverage: float
    outside: float
    median_width_inside: float | None
    median_width_outside: float | None
    error_ratio: float | None


class PhonixMetrics(BaseModel):
    """Errors on tested rows of one set.

    Attributes:
        n: Crystals.
        n_formulas: Their distinct formulas.
        mean_abs_log10: Mean |log10(predicted / true)|.
        mean_abs_log10_interval: 95 % interval of it, by bootstrap over formulas.
        median_factor: 10 to the median |log10(predicted / true)|.
        bias_log10: Mean log10(predicted / true).
        spearman: Rank correlation; null where it is not defined.
        below_1_of_100_lowest: Of the 100 predicted lowest, how many are truly below 1 W/(m K); null below 200 crystals.
        enrichment_lowest: Crystals of the true lowest 5 % found in the predicted lowest 5 %, over the number expected
            by chance; null below 20 crystals.
        within_2: Fraction predicted within a factor of 2; null in results of before it was measured.
        below_3: Crystals truly below 3 W/(m K).
        below_3_within_3: Fraction of these predicted within a factor of 3; null if there is none.
        thirds_kappa: Errors in each third of the true kappa, the lowest first.
        thirds_n_sites: Errors in each third of the number of atoms, the smallest cells first.
        families: Errors in each family of at least 20 crystals.
        intervals: None if the model gives no intervals.
    """

    model_config = ConfigDict(extra="forbid")

    n: int
    n_formulas: int
    mean_abs_log10: float
    mean_abs_log10_interval: tuple[float, float]
    median_factor: float
    bias_log10: float
    spearman: float | None
    below_1_of_100_lowest: int | None
    enrichment_lowest: float | None
    within_2: float | None = None
    below_3: int = 0
    below_3_within_3: float | None = None
    thirds_kappa: list[PartErrors]
    thirds_n_sites: list[PartErrors]
    families: dict[str, PartErrors]
    intervals: IntervalQuality | None = None


class Intervals(BaseModel):
    """90 % intervals of predictions, and whether each is in domain.

    Attributes:
        lower: (n,) W/(m K).
        upper: (n,) W/(m K).
        in_domain: (n,).
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, frozen=True)

    lower: Values
    upper: Values
    in_domain: NDArray[np.bool_]


def measure(
    labels: DftLabels, rows: NDArray[np.int64], predicted: Values, intervals: Intervals | None = None
) -> PhonixMetrics:
    """Measure predictions of some rows.

    Args:
        labels: All labels.
        rows: (n,) tested rows, at least one.
        predicted: (n,) W/(m K), all > 0.
        intervals: Of the same rows.
    """
    truth = labels.kappa[rows]
    error = np.log10(predicted / truth)
    covered = None if intervals is None else (intervals.lower <= truth) & (truth <= intervals.upper)
    n = len(rows)
    rank = spearmanr(truth, predicted).statistic if n >= _FEWEST_FOR_RANK else np.nan
    order = np.argsort(predicted, kind="stable")
    lowest, soft = order[:N_LOWEST], truth < SOFT_KAPPA
    families = labels.families[rows]
    names, counts = np.unique(families, return_counts=True)
    large = [str(name) for name, count in zip(names, counts, strict=True) if count >= SMALLEST_FAMILY]
    return PhonixMetrics(
        n=n,
        n_formulas=len(set(labels.formulas[rows])),
        mean_abs_log10=float(np.abs(error).mean()),
        mean_abs_log10_interval=bootstrap(np.abs(error), labels.formulas[rows]),
        median_factor=float(10 ** np.median(np.abs(error))),
        bias_log10=float(error.mean()),
        spearman=float(rank) if np.isfinite(rank) else None,
        below_1_of_100_lowest=int((truth[lowest] < LOWEST_KAPPA).sum()) if n >= 2 * N_LOWEST else None,
        enrichment_lowest=_enrichment(truth, order) if n >= 1 / LOWEST_FRACTION else None,
        within_2=float((np.abs(error) <= np.log10(2)).mean()),
        below_3=int(soft.sum()),
        below_3_within_3=float((np.abs(error[soft]) <= np.log10(3)).mean()) if soft.any() else None,
        thirds_kappa=[_group(error, covered, part) for part in _thirds(truth)],
        thirds_n_sites=[_group(error, covered, part) for part in _thirds(labels.n_sites[rows])],
        families={name: _group(error, covered, np.flatnonzero(families == name)) for name in large},
        intervals=None if intervals is None or covered is None else _quality(error, covered, intervals),
    )


def _enrichment(truth: Values, order: NDArray[np.int64]) -> float:
    n_lowest = max(1, round(LOWEST_FRACTION * len(truth)))
    true_order = np.argsort(truth, kind="stable")
    found = len(set(order[:n_lowest].tolist()) & set(true_order[:n_lowest].tolist()))
    return found / n_lowest / (n_lowest / len(truth))


def _thirds(values: NDArray[np.float64] | NDArray[np.int64]) -> Sequence[NDArray[np.int64]]:
    """Positions in ascending order of the values, in three parts; equal values may be divided."""
    return [part for part in np.array_split(np.argsort(values, kind="stable"), 3) if len(part)]


def _group(error: Values, covered: NDArray[np.bool_] | None, part: NDArray[np.int64]) -> PartErrors:
    return PartErrors(
        n=len(part),
        mean_abs_log10=float(np.abs(error[part]).mean()),
        bias_log10=float(error[part].mean()),
        coverage=None if covered is None else float(covered[part].mean()),
    )


def _quality(error: Values, covered: NDArray[np.bool_], intervals: Intervals) -> IntervalQuality:
    inside = intervals.in_domain
    width = intervals.upper / intervals.lower
    both = inside.any() and not inside.all()
    return IntervalQuality(
        coverage=float(covered.mean()),
        outside=float((~inside).mean()),
        median_width_inside=float(np.median(width[inside])) if inside.any() else None,
        median_width_outside=float(np.median(width[~inside])) if (~inside).any() else None,
        error_ratio=float(np.abs(error[~inside]).mean() / np.abs(error[inside]).mean()) if both else None,
    )
