"""The page on how far potentials are from DFT, and what the best estimate is worth."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, sqrt
from typing import Any

from studies.markdown import note, number, table
from studies.phonons.calibration_draw import MAX_ATOMS, MAX_FORCES, SEED
from studies.phonons.calibration_fit import CORRELATION_WEIGHT, SMALLEST
from studies.phonons.potentials_compared import DEFAULT

GOAL = 120
"""Crystals of Phonix with a value at `quick` that the calibration is meant to rest on."""

RELATIVE_SD = 0.76
"""Standard deviation of |x| over its mean, for normally distributed x."""

Set = Mapping[str, Any]


def calibration_page(result: Mapping[str, Any]) -> str:
    """The page as Markdown.

    Args:
        result: Stored result of `studies.phonons.calibration`.
    """
    sets: Mapping[str, Set] = result["sets"]
    calibrated = {name: one for name, one in sets.items() if "calibration" in one}
    judged = {name: one for name, one in calibrated.items() if "best" in one}
    n = max(one["n_phonix"] for one in sets.values() if one["quality"] == "quick")
    parts = [
        "# Calibration of phonon values",
        note("calibration", "calibration.json", "python -m studies.phonons.calibration --data FOLDER")
        + f" Computed {result['date']} with `{result['model']}` (weights `{result['weights_sha256'][:12]}`).",
        "What [`verify`](verify.md#the-verdict) takes off a phonon value, how wide it makes its range, and how it "
        "weighs the value against the prediction. The phonon values are our own, the DFT values those of Phonix "
        "(Ohnishi et al., npj Comput. Mater. 12, 150 (2026); PBEsol, particle part and coherences) and, for the "
        "binaries, of L96. Each crystal is judged without any value of its formula.",
        _state(n),
        "![Phonon values beside DFT values](figures/calibration.png)",
        "## Potentials",
        _potentials(sets),
        "## Which potential?",
        _compared(result["compared"]),
        "## Ranges",
        _ranges(calibrated),
        "## What a bias may depend on",
        _forms(calibrated),
        "## Best estimate",
        _best(judged),
        _same_crystals(result["same_crystals"]),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _state(n: int) -> str:
    drawn = (
        f"The crystals of Phonix are drawn with seed {SEED}, one prototype after the other, among those of at most "
        f"{MAX_ATOMS} atoms in the primitive cell that need at most {MAX_FORCES} force calculations at `quick`."
    )
    if n >= GOAL:
        return drawn
    return (
        f"{drawn} **The goal, {GOAL} of them, is not reached: {n} have a value at `quick` so far.** With so few, a "
        "range is about as wide as the largest error seen, and mean errors are uncertain by "
        f"{RELATIVE_SD / sqrt(n):.0%}; `python -m studies.phonons.calibration_values` goes on."
    )


def _potentials(sets: Mapping[str, Set]) -> str:
    rows = [
        [
            one["potential"],
            one["quality"],
            str(one["n_asked"]),
            str(one["n"]),
            str(one["n_imaginary"]),
            str(one["n_asked"] - one["n"] - one["n_imaginary"]),
        ]
        for one in sets.values()
        if one["coherences"]
    ]
    columns = ("potential", "quality", "asked", "with a value", "imaginary modes", "other outcome")
    return (
        table(columns, rows)
        + "\n\nDFT has a conductivity for all of them: imaginary modes in a potential are no proof "
        f"against a crystal. A potential and quality with fewer than {SMALLEST} formulas is not calibrated; `verify` "
        "then takes the calibration of another quality of the same potential, and none if there is none."
    )


def _compared(by_name: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for name, one in by_name.items():
        sides = [one["other"], one["default"]]
        low, high = one["gain_by_default"]["gain_interval"]
        rows.append(
            [
                name,
                str(one["n_asked"]),
                *(", ".join(str(side[key]) for side in sides) for key in ("n_answered", "n_imaginary")),
                str(one["n"]),
                ", ".join(f"{side['mean_abs_log10']:.2f}" for side in sides),
                ", ".join(f"{side['bias_log10']:+.2f}" for side in sides),
                ", ".join(f"{side['mean_abs_log10_without_bias']:.2f}" for side in sides),
                f"{one['gain_by_default']['gain']:+.3f} ({low:+.3f} to {high:+.3f})",
            ]
        )
    columns = (
        "potential",
        "asked",
        "with a value",
        "imaginary modes",
        "value by both",
        "mean abs log10",
        "bias (log10)",
        "without bias",
        "gain by the default",
    )
    return (
        f"Other potentials beside {DEFAULT}, the default of `verify`, at `quick` and on the same crystals: of two "
        "numbers the first is of the other potential, the second of the default. Errors are of the crystals with a "
        "value by both, *without bias* after a bias that was found without the formula; *gain* is how much smaller the "
        "error of the default then is, with the 95 % interval by bootstrap over formulas.\n\n"
        + table(columns, rows)
        + "\n\n"
        + _default(by_name)
    )


def _default(by_name: Mapping[str, Mapping[str, Any]]) -> str:
    lines = []
    for name, one in by_name.items():
        low, high = one["gain_by_default"]["gain_interval"]
        seen = "a gain is seen" if low > 0 else "a loss is seen" if high < 0 else "no difference is seen"
        nearer = DEFAULT if one["default"]["mean_abs_log10"] <= one["other"]["mean_abs_log10"] else name
        lines.append(f"beside {name} {seen} by {DEFAULT}, and {nearer} is nearer to DFT as it is")
    text = "; ".join(lines)
    return f"{text[0].upper()}{text[1:]}."


def _ranges(calibrated: Mapping[str, Set]) -> str:
    rows = []
    for one in calibrated.values():
        found = one["calibration"]
        thirds = one["coverage_by_third"]
        rows.append(
            [
                *_named(one),
                str(one["n"]),
                number(one["mean_abs_log10"]),
                number(one["mean_abs_log10_without_bias"]),
                f"{exp(found['bias_ln'] - found['slope'] * found['centre_ln']):.2f}"
                + (f" · κ^{found['slope']:+.2f}" if found["slope"] else ""),
                f"{exp(found['half_width_ln']):.1f}",
                f"{found['coverage']:.0%}",
                "–" if thirds is None else ", ".join(f"{share:.0%}" for share in thirds),
            ]
        )
    columns = (
        "potential",
        "quality",
        "coherences",
        "n",
        "mean abs log10",
        "without bias",
        "DFT / potential",
        "range: factor up and down",
        "held",
        "in thirds of κ",
    )
    typical = ", ".join(
        f"{one['typical_coherences_w_mk']:.2f} ({one['potential']}, {one['quality']})"
        for one in calibrated.values()
        if not one["coherences"]
    )
    return (
        table(columns, rows) + "\n\nThe range comes from cross-conformal prediction (Vovk, Ann. Math. Artif. Intell. "
        "74, 9 (2015)) and is meant to hold nine DFT values in ten. *Held* counts those in ranges that were made "
        "without their formula; thirds are given from 30 crystals on. The bias is drawn to zero where values are few. "
        "The DFT values of Phonix include coherences; those of L96 are taken as if they did. To a value without them "
        "(`verify` without `--wigner`) is added what "
        f"they are in the median: {typical} W/(m K)."
    )


def _forms(calibrated: Mapping[str, Set]) -> str:
    names = list(next(iter(calibrated.values()))["rms_ln_by_form_of_bias"])
    rows = [
        [*_named(one), str(one["n"]), *(number(one["rms_ln_by_form_of_bias"][name]) for name in names)]
        for one in calibrated.values()
    ]
    return (
        "Root mean square of what remains of ln κ after a bias of each form, fitted without the formula: no bias, a "
        "constant, and a constant with a slope in ln κ, with a slope in the softness (ln of the predicted acoustic "
        "Debye temperature), or with a part for each kind of anion. `verify` uses the constant, or the slope in ln κ "
        "where its gain is larger than the standard error of the gain.\n\n"
        + table(("potential", "quality", "coherences", "n", *names), rows)
    )


def _best(judged: Mapping[str, Set]) -> str:
    if not judged:
        return "No potential has enough values."
    rows = []
    for one in judged.values():
        best, found = one["best"], one["calibration"]
        rows.append(
            [
                *_named(one),
                str(best["n"]),
                number(best["mean_abs_log10_prediction"]),
                number(best["mean_abs_log10_phonons"]),
                number(best["mean_abs_log10_best"]),
                *(f"{exp(best[f'half_width_ln_{name}']):.1f}" for name in ("prediction", "phonons", "best")),
                f"{found['coverage_best']:.0%}",
                f"{found['correlation']:+.2f}",
                f"{best['share_disagreeing']:.0%}",
            ]
        )
    columns = (
        "potential",
        "quality",
        "coherences",
        "n",
        "prediction",
        "phonons",
        "best",
        "interval: prediction",
        "phonons",
        "best",
        "held by best",
        "correlation",
        "over 2 sd apart",
    )
    return (
        "Predictions are those of a model of the same recipe that has not learnt the formula. Mean abs log10 error of "
        "the prediction, of the phonon value without its bias, and of the best estimate; then the factor by which the "
        "interval reaches up and down, in the median; how many DFT values the interval of the best estimate holds; the "
        "correlation of the two "
        f"errors, drawn to zero with the weight of {CORRELATION_WEIGHT} crystals; and how many pairs are more than two "
        "standard deviations apart.\n\n" + table(columns, rows) + "\n\n" + _finding(judged)
    )


def _same_crystals(by_potential: Mapping[str, Mapping[str, Set]]) -> str:
    if not by_potential:
        return ""
    lines = []
    for potential, by_quality in by_potential.items():
        n = next(iter(by_quality.values()))["n"]
        shares = " and ".join(
            f"{best['mean_abs_log10_best'] / _better(best):.2f} at `{quality}`" for quality, best in by_quality.items()
        )
        lines.append(f"- {potential}, {n} crystals: {shares}.")
    return (
        "Qualities have different crystals, and those at `standard` are few. On the crystals that have a value at each "
        "quality of a potential, calibrated on these alone, the error of the best estimate in units of that of the "
        "better of the two is:\n\n" + "\n".join(lines)
    )


def _better(best: Set) -> float:
    return float(min(best["mean_abs_log10_prediction"], best["mean_abs_log10_phonons"]))


def _finding(judged: Mapping[str, Set]) -> str:
    lines = []
    for name, one in judged.items():
        if not one["coherences"]:
            continue
        best = one["best"]
        share = best["mean_abs_log10_best"] / _better(best)
        narrower = best["half_width_ln_best"] < min(best["half_width_ln_prediction"], best["half_width_ln_phonons"])
        low, high = best["gain_on_phonons"]["gain_interval"]
        lines.append(
            f"- {name}, {best['n']} crystals: the error of the best estimate is {share:.2f} times that of the better "
            "of the two, where 0.85 or less is the goal (gain on the phonon value "
            f"{best['gain_on_phonons']['gain']:+.3f}, 95 % {low:+.3f} to {high:+.3f}); its interval is "
            f"{'narrower than both' if narrower else 'not narrower than both, which is the goal'}, in the median."
        )
    return "\n".join(lines)


def _named(one: Set) -> tuple[str, str, str]:
    return one["potential"], one["quality"], "yes" if one["coherences"] else "no"
