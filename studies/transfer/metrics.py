"""Error metrics of predicted conductivities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy.stats import spearmanr, wilcoxon

LOW_KAPPA = 2.0
"""W/(m K); a crystal below it is of interest as a thermoelectric."""

LOWEST_FRACTION = 0.05
N_BOOTSTRAP = 2000

Values = NDArray[np.float64]


class Metrics(BaseModel):
    """Errors of predictions.

    Attributes:
        n: Crystals.
        mean_abs_log10: Mean |log10(predicted / true)|.
        mean_abs_log10_interval: 95 % interval of it, by bootstrap over reduced formulas.
        mean_signed_log10: Mean log10(predicted / true): bias.
        median_factor: 10 to the median |log10(predicted / true)|.
        mape: Mean |predicted - true| / true.
        mae_w_mk: Mean |predicted - true|, W/(m K).
        r2_log: Coefficient of determination of log10 kappa; null below three crystals.
        spearman: Rank correlation; null where it is not defined.
        precision_low: Of the k crystals predicted lowest, the fraction with kappa below 2 W/(m K), where k is the
            number of crystals below it; null if there is none.
        enrichment_lowest: Crystals of the true lowest 5 % found in the predicted lowest 5 %, over the number expected
            by chance; null below 20 crystals.
    """

    model_config = ConfigDict(extra="forbid")

    n: int
    mean_abs_log10: float
    mean_abs_log10_interval: tuple[float, float]
    mean_signed_log10: float
    median_factor: float
    mape: float
    mae_w_mk: float
    r2_log: float | None
    spearman: float | None
    precision_low: float | None
    enrichment_lowest: float | None


def measure(truth: Values, predicted: Values, formulas: NDArray[np.str_], seed: int = 0) -> Metrics:
    """Compute the metrics of predictions.

    Args:
        truth: (n,) W/(m K), all > 0.
        predicted: (n,) W/(m K), all > 0.
        formulas: (n,) reduced formulas; the bootstrap draws formulas, not rows.
        seed: Seed of the bootstrap.
    """
    log_truth, log_predicted = np.log10(truth), np.log10(predicted)
    error = log_predicted - log_truth
    n, spread = len(truth), float(np.square(log_truth - log_truth.mean()).sum())
    rank = spearmanr(truth, predicted).statistic if n > 2 else np.nan
    n_low, n_lowest = int((truth < LOW_KAPPA).sum()), max(1, round(LOWEST_FRACTION * n))
    order, true_order = np.argsort(predicted, kind="stable"), np.argsort(truth, kind="stable")
    found = len(set(order[:n_lowest]) & set(true_order[:n_lowest]))
    return Metrics(
        n=n,
        mean_abs_log10=float(np.abs(error).mean()),
        mean_abs_log10_interval=bootstrap(np.abs(error), formulas, seed),
        mean_signed_log10=float(error.mean()),
        median_factor=float(10 ** np.median(np.abs(error))),
        mape=float((np.abs(predicted - truth) / truth).mean()),
        mae_w_mk=float(np.abs(predicted - truth).mean()),
        r2_log=1.0 - float(np.square(error).sum()) / spread if n > 2 and spread > 0 else None,
        spearman=float(rank) if np.isfinite(rank) else None,
        precision_low=float((truth[order[:n_low]] < LOW_KAPPA).mean()) if n_low else None,
        enrichment_lowest=found / n_lowest / (n_lowest / n) if n >= 1 / LOWEST_FRACTION else None,
    )


def bootstrap(values: Values, formulas: NDArray[np.str_], seed: int = 0) -> tuple[float, float]:
    """95 % interval of a mean, drawing whole formulas with replacement."""
    names, group = np.unique(formulas, return_inverse=True)
    totals, counts = np.bincount(group, weights=values), np.bincount(group)
    drawn = np.random.default_rng(seed).integers(len(names), size=(N_BOOTSTRAP, len(names)))
    means = totals[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


class PairedTest(BaseModel):
    """Two models on the same crystals.

    Attributes:
        n_formulas: Formulas compared; errors of one formula are averaged first.
        gain: Mean |log10| error of the first less that of the second: positive if the second is better.
        gain_interval: 95 % interval by bootstrap over formulas.
        p_value: Wilcoxon's signed-rank test, two-sided.
    """

    model_config = ConfigDict(extra="forbid")

    n_formulas: int
    gain: float
    gain_interval: tuple[float, float]
    p_value: float


def compare(first: Values, second: Values, formulas: NDArray[np.str_], seed: int = 0) -> PairedTest:
    """Compare the absolute errors (n,) of two models on the same crystals."""
    names, group = np.unique(formulas, return_inverse=True)
    difference = np.bincount(group, weights=first - second) / np.bincount(group)
    p_value = float(wilcoxon(difference).pvalue) if np.any(difference) else 1.0
    return PairedTest(
        n_formulas=len(names),
        gain=float(difference.mean()),
        gain_interval=bootstrap(difference, names, seed),
        p_value=p_value,
    )
