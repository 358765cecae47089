from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk

from kappatune.agl_workflow import AglSettings, agl
from kappatune.potentials import load_potential
from kappatune.structures import Crystal
from kappatune.structures.table import LabelledCrystal
from studies.agl import calibration
from studies.agl.engine_values import AglValue, compute, draw, pnictides, value_of
from studies.store import RecordFile
from tests.builders import rocksalt, zincblende
from tests.physics.curves import vinet
from tests.verification.small import TOY

COPPER = Crystal.from_ase(bulk("Cu", "fcc", 3.6), id="cu")
SETTINGS = AglSettings(temperatures_k=(300.0,))


@pytest.fixture(scope="module")
def copper():
    return load_potential(f"{TOY}:copper")


@pytest.fixture(scope="module")
def row(copper):
    (result,) = agl(COPPER, copper, SETTINGS)
    properties = {"agl_debye": result.debye_temperature_k / 2, "agl_gruneisen": result.gruneisen}
    return LabelledCrystal(COPPER, result.kappa_w_mk, "agl", properties=properties), result


def test_kappa_comes_out_of_what_is_stored(copper, row):
    labelled, result = row
    value = value_of(labelled, copper, SETTINGS)
    (pair,) = calibration._pairs([value], {"cu": labelled}, lambda one: one.elastic_poisson_ratio)
    assert pair.error == pytest.approx(0.0, abs=1e-4)
    assert pair.state.gruneisen == pytest.approx(result.gruneisen, rel=1e-4)
    found = calibration._factors_of(pair)
    assert found["debye_temperature"] == pytest.approx(8.0, rel=1e-3) and found["gruneisen"] == pytest.approx(
        1, abs=1e-3
    )
    assert calibration._pairs([value], {"cu": labelled}, lambda one: 0.7) == []


def test_a_killed_run_continues_and_another_potential_begins_anew(copper, row, tmp_path, monkeypatch):
    labelled, _ = row
    records = RecordFile(tmp_path / "values.jsonl")
    first = compute([labelled], copper, SETTINGS, records)
    monkeypatch.setattr("studies.agl.engine_values.value_of", lambda *_: pytest.fail("computed twice"))
    assert compute([labelled], copper, SETTINGS, records) == first
    assert [value.name for value in records.read(AglValue)] == [f"{copper.name} cu"]


def test_fits_with_smaller_weights_for_the_compressed_crystal_follow_the_points_at_the_minimum():
    volumes = 11.3 * np.linspace(0.86, 1.14, 15) ** 3
    energies = vinet(volumes, 11.3, 0.6, 6.0)
    lowest = int(np.argmin(energies))
    near = slice(lowest - 2, lowest + 3)
    miss = {
        name: np.abs(fit(volumes, energies).derivatives(volumes[near])[0] - energies[near]).max()
        for name, fit in calibration.FITS.items()
    }
    assert miss["near the minimum"] < miss["averaged"] < miss["equal weights"]


def test_all_cubic_pnictides_with_two_atoms_are_asked_for():
    crystals = [zincblende(31, 33, 5.65, "GaAs"), rocksalt(12, 8, 4.2, "MgO"), rocksalt(21, 51, 5.85, "ScSb"), COPPER]
    rows = [LabelledCrystal(crystal, 5.0, "agl") for crystal in crystals]
    assert [row.crystal.id for row in pnictides(rows)] == ["GaAs", "ScSb"]
    assert {row.crystal.id for row in draw(rows, 4)} == {row.crystal.id for row in rows}
    assert draw(rows, 4)[:2] == draw(rows, 2)


def test_potentials_are_compared_on_the_crystals_that_all_answer(copper, row):
    labelled, _ = row
    value = value_of(labelled, copper, SETTINGS)
    other = value.model_copy(update={"id": "other"})
    rows = {"cu": labelled, "other": replace(labelled, kappa=labelled.kappa / 2)}
    both, one = (
        calibration._pairs(values, rows, lambda each: each.poisson_ratio) for values in ([value, other], [value])
    )
    found = calibration._beside_each_other({"A": both, "B": one})
    assert found["n"] == 1 and found["potentials"]["A"] == found["potentials"]["B"]
    alone = calibration._beside_each_other({"A": both})
    assert alone["n"] == 2 and alone["potentials"]["A"]["mean_ln"] == pytest.approx(np.log(2) / 2, abs=1e-4)


def test_what_is_below_half_is_named_with_the_part_that_is_off(copper, row):
    labelled, _ = row
    stiff = replace(labelled, kappa=3 * labelled.kappa)
    (pair,) = calibration._pairs([value_of(stiff, copper, SETTINGS)], {"cu": stiff}, lambda one: one.poisson_ratio)
    found = calibration._factors([pair])
    assert found["below_half"]["formulas"] == ["Cu"] and found["kappa"] == pytest.approx(1 / 3, rel=1e-3)
    assert calibration._factors([]) == {"n": 0}
