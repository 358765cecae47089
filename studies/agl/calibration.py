"""How far is AGL by each potential from AFLOW's? Where does it fail, and would another equation of state help?

    python -m studies.agl.calibration --data FOLDER

From the energy curves and Poisson ratios that `engine_values` stored: the ranges that `kappatune agl` gives, each
crystal judged without the others of its formula; the factors of kappa of the cubic arsenides and antimonides; and
kappa by other fits of the same energies. Stored are aggregates; the ranges are written into the package.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from typing import Any

import numpy as np
import typer
from numpy.polynomial import Polynomial
from numpy.typing import NDArray
from scipy.stats import spearmanr

from kappatune.calculations.agl_calibration import SHIPPED, AglCalibration, AglCalibrations
from kappatune.calculations.network_moduli import SOURCE
from kappatune.errors import UserError
from kappatune.physics.debye_gruneisen import DebyeGruneisen, ThermalState, poisson_factor
from kappatune.physics.equation_of_state import COMPRESSION, BadCurve, EquationOfState, fit_equation_of_state
from kappatune.physics.slack import GRUNEISEN_RANGE, ln_slack_kappa
from kappatune.storage import write_text
from kappatune.structures import LabelledCrystal, read_table
from studies.agl.engine import aflow_poisson_ratio
from studies.agl.engine_values import SAMPLE_SEED, VALUES, AglValue, draw, pnictides
from studies.phonons.calibration_fit import LEVEL, Compared, by_thirds, calibration_fields, judge
from studies.research_data import AFLOW, DataOption, research_folder
from studies.store import RecordFile, save_result, today

SMALLEST = 40
"""Formulas below which a potential is not calibrated."""

NEAR = 3
"""Points on either side of the lowest energy that are called near the minimum."""

FitCurve = Callable[[NDArray[np.float64], NDArray[np.float64]], EquationOfState]


@dataclass(frozen=True)
class Pair:
    """AGL of one crystal by a potential, and AFLOW's.

    Attributes:
        value: What the potential gives.
        row: AFLOW's crystal with its properties.
        state: Of the potential at 300 K.
        poisson_ratio: The one that `state` is made of.
    """

    value: AglValue
    row: LabelledCrystal
    state: ThermalState
    poisson_ratio: float

    @property
    def ln_kappa(self) -> float:
        """Logarithm of the potential's kappa in W/(m K)."""
        value, state = self.value, self.state
        assert value.n_atoms
        assert value.mass_u
        return float(
            ln_slack_kappa(
                np.log(state.debye_temperature_k),
                np.float64(state.gruneisen),
                np.log(value.mass_u / value.n_atoms),
                np.log(state.volume / value.n_atoms),
                np.log(value.n_atoms),
            )
        )

    @property
    def error(self) -> float:
        """Logarithm of potential over AFLOW."""
        return self.ln_kappa - float(np.log(self.row.kappa))


def main(data: DataOption = None) -> None:
    """Calibrate AGL on AFLOW: a minute."""
    rows = read_table(research_folder(data) / AFLOW).rows
    by_id = {row.crystal.id: row for row in rows}
    order = [row.crystal.id for row in draw(rows, len(rows))]
    cubic = [row.crystal.id for row in pnictides(rows)]
    found: list[AglCalibration] = []
    results: dict[str, Any] = {}
    fits: dict[str, Any] = {}
    by_networks: dict[str, list[Pair]] = {}
    stored = RecordFile(VALUES).read(AglValue)
    for potential in sorted({value.potential for value in stored}):
        own = {value.id: value for value in stored if value.potential == potential}
        asked = list(takewhile(own.__contains__, order))
        sources = {name: ratio for name, ratio in SOURCES.items() if any(ratio(own[id]) is not None for id in asked)}
        for name, ratio in sources.items():
            pairs = _pairs([own[id] for id in asked], by_id, ratio)
            calibration, measured = calibrate(pairs, potential, name.format(potential=potential))
            if calibration.n_formulas >= SMALLEST:
                found.append(calibration)
            results[f"{potential}, {name.format(potential=potential)}"] = {
                "label": own[asked[0]].label,
                "n_asked": len(asked),
                **measured,
                "calibration": calibration.model_dump(mode="json"),
                "cubic_arsenides_and_antimonides": _factors(
                    _pairs([own[id] for id in cubic if id in own], by_id, ratio)
                ),
            }
        by_networks[potential] = _pairs([own[id] for id in asked], by_id, SOURCES[SOURCE])
        fits[potential] = {name: _fit_errors([own[id] for id in asked], by_id, fit) for name, fit in FITS.items()}
    shipped = AglCalibrations(date=today(), calibrations=tuple(found))
    write_text(SHIPPED, json.dumps(shipped.model_dump(mode="json"), indent=1) + "\n")
    beside = _beside_each_other(by_networks)
    rest = {"sets": results, "beside_each_other": beside, "fits": fits}
    save_result("agl_calibration", {"sample_seed": SAMPLE_SEED, "level": LEVEL, **rest})


SOURCES: dict[str, Callable[[AglValue], float | None]] = {
    SOURCE: lambda value: value.network_poisson_ratio if value.elastic_poisson_ratio else value.poisson_ratio,
    "elastic constants of {potential}": lambda value: value.elastic_poisson_ratio,
}
"""Poisson ratio of a value by its source, as the rows of `kappatune agl` name it."""


def calibrate(pairs: list[Pair], potential: str, source: str) -> tuple[AglCalibration, dict[str, Any]]:
    """The calibration of one potential and source of Poisson ratios, and how it fares on formulas left out."""
    compared = Compared(
        formulas=np.array([pair.row.crystal.formula_key for pair in pairs]),
        ln_kappa=np.array([pair.ln_kappa for pair in pairs]),
        ln_dft=np.log([pair.row.kappa for pair in pairs]),
    )
    judged = judge(compared)
    calibration = AglCalibration(potential=potential, poisson_source=source, **calibration_fields(compared, judged))
    measured = {
        "n": len(compared),
        "mean_abs_ln": float(np.abs(compared.error).mean()),
        "mean_abs_ln_without_bias": float(np.abs(judged.remains).mean()),
        "mean_abs_ln_without_bias_by_third": by_thirds(np.abs(judged.remains), compared.ln_dft),
        "median_factor": float(np.exp(np.median(np.abs(compared.error)))),
        "median_factor_without_bias": float(np.exp(np.median(np.abs(judged.remains)))),
        "spearman": float(spearmanr(compared.ln_kappa, compared.ln_dft)[0]),
        "coverage_by_third": by_thirds(judged.held, compared.ln_dft),
        "median_half_width_ln": float(np.median(judged.half_width)),
    }
    return calibration, measured


def _beside_each_other(by_networks: dict[str, list[Pair]]) -> dict[str, Any]:
    """Errors of the potentials, with Poisson ratios of the networks, on the crystals that all of them answer."""
    answered = [{pair.value.id for pair in pairs} for pairs in by_networks.values()]
    common = set.intersection(*answered)
    found = {}
    for potential, pairs in by_networks.items():
        errors = np.array([pair.error for pair in pairs if pair.value.id in common])
        found[potential] = {"mean_ln": float(errors.mean()), "mean_abs_ln": float(np.abs(errors).mean())}
    return {"n": len(common), "potentials": found}


def _pairs(
    values: Sequence[AglValue], rows: dict[str, LabelledCrystal], ratio: Callable[[AglValue], float | None]
) -> list[Pair]:
    """Those that have a kappa, by today's equation of state."""
    found = []
    for value in values:
        if value.curve_volumes_a3 and ratio(value) is not None:
            curve = fit_equation_of_state(value.curve_volumes_a3, value.curve_energies_ev)
            found += _pair(value, rows[value.id], curve, ratio(value))
    return found


def _pair(value: AglValue, row: LabelledCrystal, curve: EquationOfState, ratio: float | None) -> list[Pair]:
    """One pair, or none where the curve has no state at 300 K or the Grüneisen parameter is out of range."""
    assert value.n_atoms
    assert value.mass_u
    if ratio is None or not -1 < ratio < 0.5:
        return []
    try:
        state = DebyeGruneisen(curve, value.n_atoms, value.mass_u, ratio).state(300.0)
    except UserError:
        return []
    low, high = GRUNEISEN_RANGE
    return [Pair(value, row, state, ratio)] if low <= state.gruneisen <= high else []


def _factors(pairs: list[Pair]) -> dict[str, Any]:
    """Median factors of kappa over AFLOW's: by the Debye temperature, its moduli, and the Grüneisen parameter."""
    if not pairs:
        return {"n": 0}
    parts = [_factors_of(pair) for pair in pairs]
    low = [part["kappa"] < 0.5 for part in parts]
    return {
        "n": len(pairs),
        **_medians(parts),
        "below_half": {
            "n": sum(low),
            **_medians([part for part, is_low in zip(parts, low, strict=True) if is_low]),
            "formulas": sorted({pair.value.formula for pair, is_low in zip(pairs, low, strict=True) if is_low}),
        },
    }


def _medians(parts: list[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: float(np.median([part[name] for part in parts if name in part])) for name in names}


def _factors_of(pair: Pair) -> dict[str, float]:
    properties, state = pair.row.properties, pair.state
    found = {
        "kappa": float(np.exp(pair.error)),
        "debye_temperature": (state.debye_temperature_k / properties["agl_debye"]) ** 3,
        "gruneisen": _gruneisen_term(state.gruneisen) / _gruneisen_term(properties["agl_gruneisen"]),
        "volume": state.volume / pair.row.crystal.volume,
    }
    if properties.get("agl_bulk_modulus_static_300K"):
        found["bulk_modulus"] = (state.bulk_modulus_static_gpa / properties["agl_bulk_modulus_static_300K"]) ** 1.5
    ratio = aflow_poisson_ratio(pair.row)
    if -1 < ratio < 0.5:
        found["poisson_ratio"] = (poisson_factor(pair.poisson_ratio) / poisson_factor(ratio)) ** 3
    return found


def _gruneisen_term(gruneisen: float) -> float:
    """The factor of the Slack formula (`kappatune.physics.slack.SlackTerms.gruneisen`)."""
    return 1.0 / (gruneisen**2 - 0.514 * gruneisen + 0.228)


def _fit_errors(values: Sequence[AglValue], rows: dict[str, LabelledCrystal], fit: FitCurve) -> dict[str, Any]:
    """Errors of what the fit alone decides, with AFLOW's Poisson ratios, and how far it misses the points."""
    misses, pairs = [], []
    for value in values:
        if value.curve_volumes_a3:
            volumes, energies = np.array(value.curve_volumes_a3), np.array(value.curve_energies_ev)
            try:
                curve = fit(volumes, energies)
            except UserError:
                continue
            lowest = int(np.argmin(energies))
            near = slice(max(0, lowest - NEAR), lowest + NEAR + 1)
            deviation = curve.derivatives(volumes[near])[0] - energies[near]
            misses.append(1e3 * float(np.sqrt(np.mean(deviation**2))) / (value.n_atoms or 1))
            pairs += _pair(value, rows[value.id], curve, aflow_poisson_ratio(rows[value.id]))
    gruneisen = [abs(pair.state.gruneisen - pair.row.properties["agl_gruneisen"]) for pair in pairs]
    return {
        "n": len(pairs),
        "median_miss_near_minimum_mev_per_atom": float(np.median(misses)),
        "largest_miss_near_minimum_mev_per_atom": float(np.max(misses)),
        "median_abs_gruneisen": float(np.median(gruneisen)),
        "median_factor": float(np.exp(np.median([abs(pair.error) for pair in pairs]))),
        "rms_ln_kappa": float(np.sqrt(np.mean([pair.error**2 for pair in pairs]))),
    }


def _symmetric(volumes: NDArray[np.float64], energies: NDArray[np.float64], width: float) -> EquationOfState:
    """The default with weights that fall off on both sides of the minimum, by a normal distribution in length."""
    default = fit_equation_of_state(volumes, energies)
    weights = np.exp(-0.5 * (np.log(volumes / default.v0) / 3 / width) ** 2)
    strain = 0.5 * ((default.reference_volume / volumes) ** (2 / 3) - 1)
    third, fourth = (Polynomial.fit(strain, energies, degree, w=np.sqrt(weights)).convert() for degree in (3, 4))
    curve = replace(default, polynomial=(third + fourth) / 2)
    fine = np.linspace(volumes[0], volumes[-1], 2001)
    slopes = curve.derivatives(fine)[1]
    rises = np.flatnonzero((slopes[:-1] < 0) & (slopes[1:] >= 0))
    if not len(rises):
        raise BadCurve("no minimum")
    return replace(curve, v0=float(fine[rises[np.argmin(np.abs(fine[rises] - default.v0))]]))


FITS: dict[str, FitCurve] = {
    "averaged": fit_equation_of_state,
    "birch-murnaghan": partial(fit_equation_of_state, fit="birch-murnaghan"),
    "equal weights": partial(_symmetric, width=np.inf),
    "near the minimum": partial(_symmetric, width=COMPRESSION),
}
"""The fit of `kappatune agl`, its other choice, and the first with other weights."""


if __name__ == "__main__":
    typer.run(main)
