"""What the phonon value says about a prediction, and the best estimate from both, by a stated rule."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log
from typing import Literal

from kappatune.model.intervals import NOT_CALIBRATED
from kappatune.model.prediction import Prediction
from kappatune.potentials import Potential
from kappatune.verification.best_estimate import BestEstimate, Measurement, best_estimate
from kappatune.verification.calibration import Calibrations
from kappatune.verification.settings import VerifySettings

Verdict = Literal["agrees", "prediction too low", "prediction too high", "not judged"]

PUBLISHED_SRD = {"CHGNet": -1.7, "SevenNet-0": -0.55, "SevenNet-l3i5": -0.37, "nequix-mp-1-pft": -0.10}
"""kappa_SRD by name of the potential, the mean of 2 (kappa - kappa_DFT) / (kappa + kappa_DFT) on phononDB-103 (Póta et
al., arXiv 2408.00755), as on the leaderboard of Matbench Discovery in November 2026. No verdict rests on it."""

LOWEST_USABLE_SRD = -1.0
"""Values of a potential with a kappa_SRD below this, more than three times too low, are no training data."""

DISAGREEMENT = 2.0
"""Standard deviations beyond which prediction and phonon value contradict each other."""

LOW_KAPPA_W_MK = 2.0
"""Below this, coherences between bands may carry much of the heat."""


@dataclass(frozen=True)
class Assessment:
    """What to think of a prediction, and of kappa: fields of the row.

    Attributes:
        verdict: In a word or three.
        because: In a sentence: by how much they differ, and what to do.
        likely_lower_w_mk: Lower end of the range in which the potential places kappa, W/(m K); None if it is not
            calibrated.
        likely_upper_w_mk: Upper end, W/(m K).
        kappa_best_w_mk: Best estimate of kappa, W/(m K); None if the potential is not calibrated.
        best_lower_w_mk: Lower end of its interval, W/(m K).
        best_upper_w_mk: Upper end, W/(m K).
        disagreement_sd: ln of prediction over phonon value, in standard deviations; None without one of them.
        agl_agrees: Whether the AGL value lies in the range of the potential; None without one.
    """

    verdict: Verdict
    because: str
    likely_lower_w_mk: float | None = None
    likely_upper_w_mk: float | None = None
    kappa_best_w_mk: float | None = None
    best_lower_w_mk: float | None = None
    best_upper_w_mk: float | None = None
    disagreement_sd: float | None = None
    agl_agrees: bool | None = None


def assess(
    kappa: float,
    potential: Potential,
    settings: VerifySettings,
    calibrations: Calibrations,
    prediction: Prediction | None,
    agl_kappa: float | None,
) -> Assessment:
    """Compare a prediction with a phonon value, and combine them.

    The rule: the bias of the potential is taken off its value. Value and prediction each have a standard deviation
    from their calibrated ranges, and their errors a correlation; the best estimate is the weighted mean (see
    `best_estimate`). They agree unless they differ by more than two standard deviations. Without a prediction, or with
    one whose interval is not calibrated, the best estimate is the phonon value without its bias. A potential that is
    not calibrated gives no verdict and no best estimate, and neither does a value with scattering by boundaries, nor
    one computed with less than at `quick`.

    Args:
        kappa: Phonon value at 300 K, W/(m K).
        potential: The potential it was computed with.
        settings: How it was computed.
        calibrations: Of the potentials.
        prediction: At 300 K; None without one.
        agl_kappa: AGL value, W/(m K); None without one.
    """
    if settings.boundary_nm is not None:
        return Assessment("not judged", "boundaries scatter the phonons here, and the prediction is of a large crystal")
    if settings.less_than_quick:
        differing = " and ".join(settings.less_than_quick)
        return Assessment("not judged", f"no calibration is of values with this {differing}: use that of a quality")
    calibration = calibrations.find(potential.name, settings)
    if calibration is None:
        return Assessment("not judged", _not_calibrated(potential, settings))
    centre = calibration.without_bias(kappa)
    by_phonons = Measurement(log(centre), calibration.standard_deviation_ln)
    lower, upper = by_phonons.interval()
    agl_agrees = None if agl_kappa is None else lower <= agl_kappa <= upper
    placed = f"{potential.name}, {calibration.basis}, places kappa at {centre:.3g} ({lower:.3g} to {upper:.3g}) W/(m K)"
    predicted, lacks = _as_measurement(prediction)
    if predicted is None:
        because = f"{placed}; {lacks}"
        return Assessment("not judged", because, lower, upper, centre, lower, upper, agl_agrees=agl_agrees)
    found = best_estimate(predicted, by_phonons, calibration.correlation)
    verdict: Verdict = "agrees"
    if abs(found.disagreement) > DISAGREEMENT:
        verdict = "prediction too high" if found.disagreement > 0 else "prediction too low"
    low, high = predicted.interval()
    because = (
        f"{placed}, the prediction at {exp(predicted.ln_kappa):.3g} ({low:.3g} to {high:.3g}): "
        f"{abs(found.disagreement):.1f} standard deviations apart; {_advice(found, verdict, settings, potential)}"
    )
    best_lower, best_upper = found.combined.interval(calibration.best_factor)
    return Assessment(
        verdict,
        because,
        lower,
        upper,
        exp(found.combined.ln_kappa),
        best_lower,
        best_upper,
        found.disagreement,
        agl_agrees,
    )


def _not_calibrated(potential: Potential, settings: VerifySettings) -> str:
    coherences = "with" if settings.wigner else "without"
    return (
        f"{potential.name} has not been compared with enough DFT values {coherences} coherences for a verdict: "
        "`nequix` has (`kappatune data fetch nequix` gets its weights)"
    )


def _as_measurement(prediction: Prediction | None) -> tuple[Measurement | None, str]:
    """The prediction with its standard deviation, or why it cannot be used."""
    if prediction is None:
        return None, "there is no prediction to compare with"
    if prediction.kappa_w_mk is None or not prediction.lower_w_mk or not prediction.upper_w_mk:
        return None, "the model gives no prediction with an interval to compare with"
    if prediction.interval in (None, NOT_CALIBRATED):
        return None, "the interval of the prediction is not calibrated, so it is not compared"
    return Measurement.of_interval(prediction.kappa_w_mk, prediction.lower_w_mk, prediction.upper_w_mk), ""


def _advice(found: BestEstimate, verdict: Verdict, settings: VerifySettings, potential: Potential) -> str:
    if verdict == "agrees":
        share = f"the prediction counts for {found.weight:.0%} of it"
        return f"use the best estimate ({share})"
    if not settings.wigner and exp(found.combined.ln_kappa) < LOW_KAPPA_W_MK:
        remedy = "add the coherences (`--wigner`)"
    elif settings.nearest_quality == "quick":
        remedy = "verify at `--quality standard`"
    else:
        second = "nequix" if potential.name == "SevenNet-0" else "sevennet"
        remedy = f"verify with a second potential (`--calculator {second}`)"
    return f"one of them is wrong, the best estimate is uncertain: {remedy} before you rely on it"
