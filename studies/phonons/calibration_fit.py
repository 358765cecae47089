"""How far a potential is from DFT: bias, range and best estimate, always judged on formulas that were left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kappatune.model.folds import Rows, Split, group_folds
from kappatune.model.intervals import INTERVAL_SIGMAS
from kappatune.training.conformal import Errors, Widths, blended_widths, conformal_quantile
from kappatune.verification.best_estimate import Measurement, best_estimate

LEVEL = 0.9
SMALLEST = 20
"""Formulas below which a potential is not calibrated: the range for nine in ten of fewer would be the largest error."""

BIAS_PRIOR, SLOPE_PRIOR = 0.5, 0.25
"""Standard deviations of the bias of ln kappa, and of the coefficients of what it depends on, before a value is known.
They draw what few values say to zero."""

MAX_FOLDS, SEED = 20, 0
"""Folds by formula; with no more formulas than that, each is left out alone."""

CORRELATION_WEIGHT = 10
"""Number of crystals with uncorrelated errors for which the belief stands that errors are uncorrelated."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Compared:
    """n crystals with a value by a potential and one that it is judged by.

    Attributes:
        formulas: (n,) reduced formulas.
        ln_kappa: (n,) ln of the potential's value in W/(m K).
        ln_dft: (n,) ln of the DFT value, or of AFLOW's AGL value.
    """

    formulas: NDArray[np.str_]
    ln_kappa: Values
    ln_dft: Values

    def __len__(self) -> int:
        return len(self.formulas)

    def __getitem__(self, chosen: Rows | NDArray[np.bool_]) -> Self:
        return type(self)(**{name: value[chosen] for name, value in vars(self).items()})

    @property
    def error(self) -> Values:
        """(n,) ln of DFT over potential."""
        return self.ln_dft - self.ln_kappa

    def without(self, formula: str) -> NDArray[np.bool_]:
        """(n,) mask of the crystals of other formulas."""
        others: NDArray[np.bool_] = self.formulas != formula
        return others


@dataclass(frozen=True)
class Points(Compared):
    """n crystals with a phonon value by a potential, one by DFT, and a prediction.

    Attributes:
        ln_predicted: (n,) ln of the prediction, by a model that has not learnt the formula.
        sd_predicted: (n,) its standard deviation, from its calibrated interval.
        softness: (n,) ln of the acoustic Debye temperature in K that the model predicts.
        family: (n,) kind of anion.
    """

    ln_predicted: Values
    sd_predicted: Values
    softness: Values
    family: NDArray[np.str_]


@dataclass(frozen=True)
class Bias:
    """What a potential's ln kappa lacks: `bias` + `slope` (ln kappa - `centre`)."""

    bias: float
    slope: float
    centre: float

    def of(self, points: Compared) -> Values:
        """(n,) expected ln of DFT over potential."""
        return self.bias + self.slope * (points.ln_kappa - self.centre)


Features = Callable[[Any], Values]

FORMS: dict[str, Features] = {
    "constant": lambda points: np.empty((len(points), 0)),
    "of κ": lambda points: points.ln_kappa[:, None],
    "of softness": lambda points: points.softness[:, None],
    "of family": lambda points: np.equal(points.family[:, None], np.unique(points.family)).astype(np.float64),
}
"""What a bias may depend on, beside a constant; the last two need `Points`."""


def fit_bias(points: Compared) -> Bias:
    """The bias: a constant, or a line in ln kappa if that is better by more than the standard error of the gain."""
    gain = out_of_fold(points, "constant") ** 2 - out_of_fold(points, "of κ") ** 2
    is_better = gain.mean() > gain.std(ddof=1) / np.sqrt(len(points))
    centre = float(points.ln_kappa.mean())
    columns = points.ln_kappa[:, None] - centre if is_better else np.empty((len(points), 0))
    coefficients = _ridge(columns, points.error)
    return Bias(float(coefficients[0]), float(coefficients[1]) if is_better else 0.0, centre)


def out_of_fold(points: Compared, form: str) -> Values:
    """(n,) what remains of the errors after a bias of this form, fitted without the formula of each."""
    columns = FORMS[form](points)
    remains = np.empty(len(points))
    for known, left_out in _folds(points):
        centre = columns[known].mean(axis=0)
        coefficients = _ridge(columns[known] - centre, points.error[known])
        expected = coefficients[0] + (columns[left_out] - centre) @ coefficients[1:]
        remains[left_out] = points.error[left_out] - expected
    return remains


def _folds(points: Compared) -> list[Split]:
    return group_folds(points.formulas.tolist(), MAX_FOLDS, SEED)


def _ridge(columns: Values, error: Values) -> Values:
    """(1 + k,) most probable constant and coefficients, for errors of equal variance and the priors above."""
    variance = max(float(error.var(ddof=1)), 1e-4)
    design = np.column_stack([np.ones(len(error)), columns])
    precision = np.diag([BIAS_PRIOR**-2, *[SLOPE_PRIOR**-2] * columns.shape[1]])
    found = np.linalg.solve(design.T @ design / variance + precision, design.T @ error / variance)
    return found.astype(np.float64)


def fit_half_width(points: Compared) -> float:
    """Half-width that holds nine in ten of the errors that remain after a bias fitted without their formulas.

    Cross-conformal prediction: Vovk, Ann. Math. Artif. Intell. 74, 9 (2015). A formula counts once, by its largest
    error.
    """
    remains = _without_bias(points)
    largest = [np.abs(remains[points.formulas == formula]).max() for formula in np.unique(points.formulas)]
    return conformal_quantile(np.array(largest), LEVEL)


def _without_bias(points: Compared) -> Values:
    """(n,) what remains of the errors after a bias fitted without the formula of each."""
    remains = np.empty(len(points))
    for known, left_out in _folds(points):
        remains[left_out] = points.error[left_out] - fit_bias(points[known]).of(points[left_out])
    return remains


@dataclass(frozen=True)
class Judged:
    """n crystals, each judged by a calibration made without its formula.

    Attributes:
        remains: (n,) ln of DFT over potential after the bias.
        half_width: (n,) of the range.
    """

    remains: Values
    half_width: Values

    @property
    def held(self) -> NDArray[np.bool_]:
        """(n,) whether the DFT value lies in the range."""
        return np.abs(self.remains) <= self.half_width


def judge(points: Compared) -> Judged:
    """Bias and range of each crystal, fitted without its formula."""
    half_width = np.empty(len(points))
    for known, left_out in _folds(points):
        half_width[left_out] = fit_half_width(points[known])
    return Judged(_without_bias(points), half_width)


def calibration_fields(points: Compared, judged: Judged) -> dict[str, Any]:
    """Fields of `PotentialCalibration` that come from crystals, which were judged without their formulas."""
    bias = fit_bias(points)
    return {
        "n": len(points),
        "n_formulas": len(set(points.formulas)),
        "level": LEVEL,
        "bias_ln": bias.bias,
        "slope": bias.slope,
        "centre_ln": bias.centre,
        "half_width_ln": fit_half_width(points),
        "coverage": float(judged.held.mean()),
    }


@dataclass(frozen=True)
class Combined:
    """Best estimates of n crystals.

    Attributes:
        correlation: Of the errors, drawn to zero.
        factor: Half-width of the interval, in standard deviations.
        error: (n,) ln of DFT over best estimate, each made without its formula.
        sd: (n,) standard deviation.
        held: (n,) whether the DFT value lies in the interval, whose factor was found without its formula.
        disagreement: (n,) of prediction and phonon value, in standard deviations.
    """

    correlation: float
    factor: float
    error: Values
    sd: Values
    held: NDArray[np.bool_]
    disagreement: Values


def combine(points: Points, judged: Judged) -> Combined:
    """Best estimates from prediction and phonon value.

    Args:
        points: n crystals.
        judged: Their phonon values, each judged without its formula.
    """
    scores = np.stack(
        [
            (points.ln_dft - points.ln_predicted) / points.sd_predicted,
            judged.remains / (judged.half_width / INTERVAL_SIGMAS),
        ]
    )
    error, sd, apart = (np.empty(len(points)) for _ in range(3))
    for k, formula in enumerate(points.formulas):
        found = best_estimate(
            Measurement(points.ln_predicted[k], points.sd_predicted[k]),
            Measurement(points.ln_dft[k] - judged.remains[k], judged.half_width[k] / INTERVAL_SIGMAS),
            correlation(*scores[:, points.without(formula)]),
        )
        error[k] = points.ln_dft[k] - found.combined.ln_kappa
        sd[k], apart[k] = found.combined.sd_ln, found.disagreement
    held = [abs(error[k]) <= _factor(error, sd, points.without(f)) * sd[k] for k, f in enumerate(points.formulas)]
    everything = np.ones(len(points), dtype=bool)
    return Combined(correlation(*scores), _factor(error, sd, everything), error, sd, np.array(held, dtype=bool), apart)


def correlation(first: Values, second: Values) -> float:
    """Correlation of errors in units of their standard deviations, drawn to zero for lack of crystals."""
    scale = np.sqrt(np.sum(first**2) * np.sum(second**2))
    return float(first @ second / scale * len(first) / (len(first) + CORRELATION_WEIGHT)) if scale else 0.0


def _factor(error: Values, sd: Values, chosen: NDArray[np.bool_]) -> float:
    own = Errors(error[chosen], sd[chosen], np.zeros(int(chosen.sum()), dtype=bool))
    return blended_widths(own, Widths(0.0, INTERVAL_SIGMAS, None), LEVEL).factor


def mean_abs_log10(errors: Values) -> float:
    """Mean |log10| of errors of ln kappa."""
    return float(np.abs(errors).mean() / np.log(10))


def by_thirds(values: Values | NDArray[np.bool_], ln_dft: Values) -> list[float] | None:
    """Mean, or fraction, in the low, middle and high third of the DFT values; None with fewer than 30 crystals."""
    if len(values) < 30:
        return None
    return [float(values[third].mean()) for third in np.array_split(np.argsort(ln_dft, kind="stable"), 3)]


def form_errors(points: Points) -> dict[str, Any]:
    """Root mean square of what remains of ln kappa by each form of the bias, formulas left out."""
    found = {"none": float(np.sqrt(np.mean(points.error**2)))}
    return found | {form: float(np.sqrt(np.mean(out_of_fold(points, form) ** 2))) for form in FORMS}
