from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from ase import Atoms
from ase.data import chemical_symbols

from kappatune.model.hosts import load_host
from kappatune.physics.slack import ln_slack_kappa
from kappatune.storage import ASSETS
from kappatune.structures.table import LabelledTable
from studies.phonix.cheap_stages import (
    STAGES,
    CheapStage,
    after_stages,
    gruneisen_of_poisson,
    minimum_kappa_table,
    moduli_table,
    trained_stages,
)
from studies.phonix.curve_arms import ARMS, STAGE_ARMS, Source
from studies.phonix.curve_models import ln_kappa_of_one_stiffness
from studies.phonix.curve_pairs import STAGE_PAIRS
from studies.phonix.stage_curves_section import SHOWN
from studies.research_data import DFT_PHONONS
from tests.studies.phonix.synthetic import synthetic_labels

HOST = "megnet-mp-2018.6.1-log10K"
ROWS = [row for row in synthetic_labels().rows if row.crystal.id.startswith("mp-")]


@pytest.fixture
def data(tmp_path):
    """A folder with DFT phonons of made-up crystals: each property is missing for one of them."""
    columns = {
        "id": [row.crystal.id for row in ROWS],
        "source": ["made up"] * len(ROWS),
        "species": [[chemical_symbols[z] for z in row.crystal.numbers] for row in ROWS],
        "lattice": [row.crystal.lattice.tolist() for row in ROWS],
        "frac_coords": [row.crystal.frac_coords.tolist() for row in ROWS],
        "kappa_min_600k_w_mk": [np.nan, *np.linspace(0.2, 1.5, len(ROWS) - 1)],
        "log10_bulk_modulus_gpa": [2.0, None, *np.linspace(1.2, 2.3, len(ROWS) - 2)],
        "log10_shear_modulus_gpa": [1.7, 1.5, 0.0, *np.linspace(0.9, 2.0, len(ROWS) - 3)],
    }
    folder = tmp_path / "data"
    folder.mkdir()
    pq.write_table(pa.table(columns), folder / DFT_PHONONS)
    return folder


def test_tables_hold_the_crystals_whose_property_is_known(data):
    minimum, moduli = minimum_kappa_table(data), moduli_table(data)
    assert [row.crystal.id for row in minimum.rows] == [row.crystal.id for row in ROWS[1:]]
    assert minimum.rows[0].kappa == pytest.approx(0.2) and minimum.rows[0].source == "made up"
    assert [row.crystal.id for row in moduli.rows] == [row.crystal.id for row in (ROWS[0], *ROWS[2:])]
    assert moduli.rows[0].properties["bulk_modulus_gpa"] == pytest.approx(100.0)
    assert [row.properties["shear_modulus_gpa"] for row in moduli.rows[:2]] == pytest.approx([10**1.7, 1.0])


def test_kappa_of_moduli_is_the_slack_formula_with_their_debye_temperature(data):
    row = moduli_table(data).rows[0]
    crystal, found = row.crystal, row.properties
    masses = Atoms(crystal.numbers).get_masses()
    density = masses.sum() * 1.66053907e-27 / (crystal.volume * 1e-30)
    transverse = np.sqrt(found["shear_modulus_gpa"] * 1e9 / density)
    longitudinal = np.sqrt((found["bulk_modulus_gpa"] + 4 / 3 * found["shear_modulus_gpa"]) * 1e9 / density)
    speed = ((2 / transverse**3 + 1 / longitudinal**3) / 3) ** (-1 / 3)
    theta = 1.054571817e-34 / 1.380649e-23 * (6 * np.pi**2 * len(masses) / (crystal.volume * 1e-30)) ** (1 / 3) * speed
    assert found["debye_temperature_k"] == pytest.approx(theta, rel=1e-4)
    volume = crystal.volume / len(masses)
    expected = ln_slack_kappa(
        np.log(theta), np.float64(found["gruneisen"]), np.log(masses.mean()), np.log(volume), np.log(len(masses))
    )
    assert np.log(row.kappa) == pytest.approx(expected, abs=1e-3)


def test_the_gruneisen_parameter_of_a_poisson_ratio():
    assert gruneisen_of_poisson(0.25) == pytest.approx(1.5)
    assert gruneisen_of_poisson(0.3) > gruneisen_of_poisson(0.2)


@pytest.fixture
def short(monkeypatch):
    """Stages of one epoch; those of AGL on the made-up crystals."""
    made_up = LabelledTable("made-up", [replace(row, fidelity="agl") for row in ROWS], [], "made-up")
    for name, chosen in list(STAGES.items()):
        stage = chosen.stage.model_copy(update={"epochs": 1})
        monkeypatch.setitem(STAGES, name, CheapStage((lambda _: made_up) if name == "agl" else chosen.table, stage))


@pytest.mark.parametrize("names", [("moduli",), ("minimum-kappa", "agl")])
def test_no_stage_sees_a_tested_formula_and_a_stage_begins_with_the_host_of_the_one_before(
    tmp_path, data, short, names
):
    tested = {ROWS[4].crystal.formula_key, ROWS[7].crystal.formula_key}
    work = tmp_path / "work"
    folder = work / "-".join(names)
    model = after_stages(HOST, names, data, tested.__contains__, folder, pretrained=True, seed=1)
    for stage in trained_stages(work):
        assert stage.n_rows == len(ROWS) - (2 if stage.model.endswith("agl") else 3)
        assert stage.epochs == 1 and stage.validation_error > 0
    assert [stage.model for stage in trained_stages(work)] == ["-".join(names[: k + 1]) for k in range(len(names))]
    assert not tested & {formula for formulas in model.card.formulas.values() for formula in formulas}
    if len(names) > 1:
        before = load_host(work / "minimum-kappa.safetensors").state_dict()
        public = load_host(HOST).state_dict()
        assert any(not torch.equal(before[name], public[name]) for name in before)
        assert model.card.recipe["host"] == str(work / "minimum-kappa.safetensors")
    with pytest.raises(ValueError, match="has seen"):
        after_stages(HOST, names, data, lambda _: True, folder, pretrained=True, seed=1)


def test_an_arm_has_the_embedding_of_its_last_stage_and_its_kappa_as_the_base(tmp_path, data, short, monkeypatch):
    monkeypatch.setattr("studies.phonix.curve_arms.PAPER_HOST", "host.safetensors")
    shutil.copy(ASSETS / "hosts" / f"{HOST}.safetensors", data / "host.safetensors")
    source = Source(ROWS, data, tmp_path / "work", lambda formula: formula == ROWS[4].crystal.formula_key)
    plain, moduli = (ARMS[name].inputs(source) for name in ("formation-energies", "moduli-slack"))
    assert plain.values.shape == moduli.values.shape and not torch.allclose(plain.values, moduli.values)
    assert not plain.base.any() and moduli.base.std() > 0
    alone = ARMS["moduli"].inputs(source)
    assert torch.equal(alone.values, moduli.values) and not alone.base.any()
    assert (source.inputs_folder / "formation-energies-moduli.npz").is_file()


def test_with_one_stiffness_the_slack_formula_knows_masses_volume_and_atoms_alone(data):
    rows = moduli_table(data).rows
    found = ln_kappa_of_one_stiffness([row.crystal for row in rows]).numpy()
    ln_gruneisen = np.log([g**2 - 0.514 * g + 0.228 for g in (row.properties["gruneisen"] for row in rows)])
    masses = np.array([Atoms(row.crystal.numbers).get_masses().mean() for row in rows])
    volumes = np.array([row.crystal.volume / row.crystal.n_atoms for row in rows])
    stiffness = (
        np.log([row.properties["debye_temperature_k"] for row in rows]) + np.log(masses) / 2 - np.log(volumes) / 6
    )
    rest = np.log([row.kappa for row in rows]) - 3 * stiffness + ln_gruneisen
    assert found - found.mean() == pytest.approx(rest - rest.mean(), abs=1e-4) and found.std() > 0.1


def test_every_stage_arm_is_compared_with_one_of_fewer_stages():
    assert {arm for _, arm in STAGE_PAIRS} == set(STAGE_ARMS)
    assert {arm for pair in STAGE_PAIRS for arm in pair} == set(SHOWN) <= set(ARMS)
