"""The page on how far AGL by each potential is from AFLOW's, made from stored results alone."""

from __future__ import annotations

from math import exp, log
from typing import Any

from kappatune.physics.equation_of_state import COMPRESSION
from studies.agl.calibration import NEAR, SMALLEST
from studies.markdown import listed, note, number, table

_COLUMNS = (
    "κ by", "Poisson ratio", "crystals", "bias of ln κ", "slope", "mean abs error of ln κ", "after the bias",
    "half-width", "coverage",
)  # fmt: skip

_FITS = {
    "averaged": "`averaged`, the default",
    "birch-murnaghan": "`birch-murnaghan`",
    "equal weights": "equal weights",
    "near the minimum": "near the minimum",
}

_INGREDIENTS = {"debye_temperature": "θ", "poisson_ratio": "ν", "bulk_modulus": "B", "gruneisen": "γ"}


def agl_calibration_page(result: dict[str, Any]) -> str:
    """The page as Markdown."""
    parts = [
        "# How far is AGL from AFLOW?",
        note("agl-calibration", "agl_calibration.json", "python -m studies.agl.calibration --data FOLDER"),
        "Rows of `kappatune agl` have `lower_w_mk` and `upper_w_mk`: the interval that is meant to hold "
        f"{100 * result['level']:.0f} % of **AFLOW's AGL values**, with energies of density functional theory. It says "
        "what the potential costs, not how good AGL is: against experiment AGL itself is often low by a factor of 2 "
        "and more. `kappa_w_mk` stays what the potential gives; the interval lies around that value without its bias.",
        "## Potentials beside each other",
        _sample(result),
        table(_COLUMNS, [_cells(one) for one in result["sets"].values()]),
        _uncalibrated(result) + _beside_each_other(result["beside_each_other"]),
        "In the low, middle and high third of AFLOW's κ:",
        table(
            ("κ by", "Poisson ratio", "mean abs error of ln κ after the bias", "coverage"),
            [_thirds(one) for one in result["sets"].values()],
        ),
        "## Cubic arsenides and antimonides",
        _pnictides_text(),
        table(
            ("κ by", "Poisson ratio", "crystals", "κ", *_INGREDIENTS.values(), "below half"),
            [_pnictide_cells(one) for one in result["sets"].values()],
        ),
        _below_half(result["sets"]),
        "## The fit of the energies",
        _fits_text(),
        table(
            (
                "energies of",
                "fit",
                "crystals",
                "miss near the minimum, meV per atom",
                "γ",
                "factor of κ",
                "rms of ln κ",
            ),
            [_fit_cells(name, fit, one) for name, fits in result["fits"].items() for fit, one in fits.items()],
        ),
        _fits_conclusion(result["fits"]),
    ]
    return "\n\n".join(parts) + "\n"


def _sample(result: dict[str, Any]) -> str:
    return (
        "A random sample of AFLOW's crystals with at most 20 atoms in the primitive cell (seed "
        f"{result['sample_seed']}; each potential has the beginning of it), {result['date']}. ln κ(AFLOW)/κ is "
        "*bias* + *slope* × (ln κ less its mean); the slope is zero unless it helps. Each crystal is judged without "
        "those of its formula: *after the bias* and *coverage* are of intervals that did not know it; *half-width*: "
        "of ln κ."
    )


def _uncalibrated(result: dict[str, Any]) -> str:
    few = [one for one in result["sets"].values() if one["calibration"]["n_formulas"] < SMALLEST]
    if not few:
        return ""
    names = listed(one["calibration"]["potential"] for one in few)
    return f"{names} has values of fewer than {SMALLEST} formulas so far: its rows have no interval. "


def _beside_each_other(beside: dict[str, Any]) -> str:
    found = listed(
        f"{number(one['mean_abs_ln'])} by {name} (mean {one['mean_ln']:+.2f})"
        for name, one in beside["potentials"].items()
    )
    return (
        f"On the {beside['n']} crystals that all of them answer, with the Poisson ratio that `auto` takes, the mean "
        f"absolute error of ln κ is {found}."
    )


def _cells(one: dict[str, Any]) -> list[str]:
    calibration = one["calibration"]
    return [
        *_names(one),
        f"{one['n']} of {one['n_asked']}",
        f"{calibration['bias_ln']:+.2f}",
        f"{calibration['slope']:+.2f}",
        number(one["mean_abs_ln"]),
        number(one["mean_abs_ln_without_bias"]),
        f"{number(calibration['half_width_ln'])} (factor {exp(calibration['half_width_ln']):.1f})",
        number(calibration["coverage"]),
    ]


def _thirds(one: dict[str, Any]) -> list[str]:
    errors, coverage = one["mean_abs_ln_without_bias_by_third"], one["coverage_by_third"]
    return [*_names(one), *(", ".join(number(value) for value in values or [None]) for values in (errors, coverage))]


def _names(one: dict[str, Any]) -> list[str]:
    source = one["calibration"]["poisson_source"]
    return [one["label"].split(" (")[0], "networks" if "MEGNet" in source else "own elastic constants"]


def _pnictides_text() -> str:
    return (
        "All cubic arsenides and antimonides of AFLOW's table with two atoms in the primitive cell, rocksalt and "
        "zincblende for the most part. Median factors over AFLOW's: of *κ*, and of what makes it, each as it moves κ: "
        "*θ*³, with *ν*, the part of the Poisson ratio, and *B*, that of the bulk modulus, in it; *γ*, that of the "
        "Grüneisen parameter; *below half*: crystals whose κ is less than half of AFLOW's."
    )


def _pnictide_cells(one: dict[str, Any]) -> list[str]:
    found = one["cubic_arsenides_and_antimonides"]
    low = found["below_half"]["n"] if found["n"] else 0
    return [*_names(one), str(found["n"]), *(number(found.get(name)) for name in ("kappa", *_INGREDIENTS)), str(low)]


def _below_half(sets: dict[str, dict[str, Any]]) -> str:
    lines = []
    for one in sets.values():
        low = one["cubic_arsenides_and_antimonides"].get("below_half", {"n": 0})
        if low["n"]:
            name, source = _names(one)
            known = {sign: low[key] for key, sign in _INGREDIENTS.items() if key in low}
            factors = listed(f"{number(factor)} by {sign}" for sign, factor in known.items())
            worst = max(("ν", "B", "γ"), key=lambda sign: abs(log(known.get(sign, 1.0))))
            lines.append(
                f"- {name}, {source}: {listed(low['formulas'])}; median factors {factors}: {worst} is off most."
            )
    found = (one["cubic_arsenides_and_antimonides"] for one in sets.values())
    medians = [each["kappa"] for each in found if each["n"]]
    between = f"The medians of κ lie between {number(min(medians))} and {number(max(medians))} times AFLOW's. "
    return between + ("Below half are:\n\n" + "\n".join(lines) if lines else "None is below half.")


def _fits_text() -> str:
    return (
        "The same energies with four equations of state, and with AFLOW's own Poisson ratios, so that nothing but the "
        f"fit and the energies decides. *miss near the minimum*: root mean square over up to {2 * NEAR + 1} points, "
        "median of the crystals; *γ*: median absolute difference. In the default and in `birch-murnaghan` energies "
        f"weigh less the more the crystal is compressed, by a normal distribution of {100 * COMPRESSION:.0f} % in "
        "length; *equal weights*: the default without these weights; *near the minimum*: with the same weights for the "
        "expanded crystal too."
    )


def _fit_cells(name: str, fit: str, one: dict[str, Any]) -> list[str]:
    return [
        name,
        _FITS[fit],
        str(one["n"]),
        number(one["median_miss_near_minimum_mev_per_atom"], 1),
        number(one["median_abs_gruneisen"]),
        number(one["median_factor"]),
        number(one["rms_ln_kappa"]),
    ]


def _fits_conclusion(fits: dict[str, dict[str, dict[str, Any]]]) -> str:
    changes = listed(
        f"{name} {number(by_fit['equal weights']['rms_ln_kappa'])} → {number(by_fit['averaged']['rms_ln_kappa'])}"
        for name, by_fit in fits.items()
    )
    return (
        "With equal weights the first few volumes, whose energies rise by electronvolts, decide the fit, and it misses "
        "the points around the minimum; without the expanded crystal the potentials' small wiggles decide γ. The "
        "default avoids both (root mean square error of ln κ, equal weights → default: "
        f"{changes}). It was chosen among about a hundred combinations of orders and weights on this sample, so part "
        "of the gain is luck; see also [300 crystals](agl.md#what-to-trust), of which more than half are others."
    )
