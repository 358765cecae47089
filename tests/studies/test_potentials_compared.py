from __future__ import annotations

import random

import numpy as np
import pytest

from studies.phonons.calibration_fit import Compared
from studies.phonons.calibration_values import PhononValue
from studies.phonons.potentials_compared import DEFAULT, compare_potentials

CRYSTALS = [f"c{k:02d}" for k in range(24)]
LN_DFT = {name: 0.2 * k - 2.0 for k, name in enumerate(CRYSTALS)}


def value_of(potential: str, name: str, error: float | None, outcome: str = "answered") -> PhononValue:
    """What a potential gives whose ln kappa is off by an error; no value without one."""
    return PhononValue(
        id=name,
        formula=name,
        potential=potential,
        quality="quick",
        outcome=outcome,
        kappa_w_mk=None if error is None else float(np.exp(LN_DFT[name] + error)),
        coherences_w_mk=0.0,
        lowest_frequency_thz=0.0,
        n_atoms=2,
        space_group=225,
        n_forces=10,
        seconds=1.0,
        date="2026-01-01",
        versions={},
    )


def points_of(values) -> Compared:
    return Compared(
        formulas=np.array([value.formula for value in values]),
        ln_kappa=np.log([value.kappa_w_mk for value in values]),
        ln_dft=np.array([LN_DFT[value.id] for value in values]),
    )


@pytest.fixture
def values() -> list[PhononValue]:
    found = [value_of(DEFAULT, name, 0.1 * (-1) ** k) for k, name in enumerate(CRYSTALS)]
    asked = [name for k, name in enumerate(CRYSTALS) if k % 4 != 3]
    found += [value_of("other", name, 0.5 * (-1) ** (k // 2)) for k, name in enumerate(asked[1:])]
    found.append(value_of("other", asked[0], None, "imaginary modes"))
    found += [value_of("tried on a few", name, 0.0) for name in CRYSTALS[:5]]
    random.Random(0).shuffle(found)
    return found


def test_potentials_are_compared_on_the_crystals_that_both_answer(values):
    found = compare_potentials(values, points_of)
    assert found.keys() == {"other", "tried on a few"}
    one = found["other"]
    assert (one["n_asked"], one["n"]) == (18, 17)
    default, other = one["default"], one["other"]
    assert (default["n_answered"], default["n_imaginary"]) == (18, 0)
    assert (other["n_answered"], other["n_imaginary"]) == (17, 1)
    assert default["mean_abs_log10"] == pytest.approx(0.1 / np.log(10))
    assert other["mean_abs_log10"] == pytest.approx(0.5 / np.log(10))
    assert one["gain_by_default"]["gain_interval"][0] > 0
    assert found["tried on a few"]["gain_by_default"]["gain"] < 0


def test_a_potential_with_too_few_values_is_not_compared(values):
    few = [value for value in values if value.potential != "tried on a few" or value.id in CRYSTALS[:4]]
    assert compare_potentials(few, points_of).keys() == {"other"}


def test_a_bias_is_taken_off_before_potentials_are_compared(values):
    factor = {"other": np.exp(-0.7)}
    shifted = [
        v.model_copy(update={"kappa_w_mk": v.kappa_w_mk and v.kappa_w_mk * factor.get(v.potential, 1.0)})
        for v in values
    ]
    before, after = (compare_potentials(v, points_of)["other"]["other"] for v in (values, shifted))
    assert after["bias_log10"] == pytest.approx(before["bias_log10"] - 0.7 / np.log(10))
    assert after["mean_abs_log10_without_bias"] < after["mean_abs_log10"]
