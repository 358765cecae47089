from __future__ import annotations

import numpy as np
import pytest

from kappatune.model.kappa_model import KappaModel
from kappatune.structures import Crystal
from kappatune.training import train
from kappatune.training.recipe import BadRun
from tests.training.tiny import DEBYE_COLUMNS, recipe, stage, tables, tiny_table, weights_of

HOSTS = ["megnet-mp-2018.6.1-log10K", "element-statistics", "bond-geometry"]
SMOOTH = {"primitive_cell": "smooth", "bond_envelope": "smooth"}
AGL = stage("agl", properties=DEBYE_COLUMNS, volume_strain=0.02)
PROCESS = {"name": "dft", "fidelity": "dft", "learner": "gaussian-process", "volume_strain": 0.02}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> KappaModel:
    out = tmp_path_factory.mktemp("process") / "model"
    return train(recipe(AGL, PROCESS, composition="debye", host=HOSTS, rules=SMOOTH), tables, out)


def ln_kappa(model, crystals, fidelity):
    return np.log([row.kappa_w_mk for row in model.predict(crystals, fidelity)])


def test_correction_learns_what_the_base_lacks(model):
    rows = tiny_table("dft").rows
    truth, crystals = np.log([row.kappa for row in rows]), [row.crystal for row in rows]
    assert np.abs(ln_kappa(model, crystals, "agl") - truth).mean() > 1.0
    assert np.abs(ln_kappa(model, crystals, "dft") - truth).mean() < 0.2
    assert 0 < model.card.metrics["dft"][0]["validation_error"] < 1.0


def test_the_smooth_recipe_gives_no_steps_with_volume(model):
    salt = tiny_table("dft").rows[6].crystal
    strained = [
        Crystal(salt.lattice * v ** (1 / 3), salt.numbers, salt.frac_coords) for v in np.arange(0.97, 1.03, 0.001)
    ]
    assert np.abs(np.diff(ln_kappa(model, strained, "dft"))).max() < 0.02


def test_a_saved_model_predicts_the_same_by_its_rules(model, tmp_path):
    crystals = [row.crystal for row in tiny_table("dft").rows[:3]]
    model.save(tmp_path / "copy")
    again = KappaModel.load(tmp_path / "copy")
    assert again.card.rules == model.card.rules and again.predict(crystals) == model.predict(crystals)


def test_a_resumed_run_ends_with_the_same_weights(model, tmp_path):
    whole = recipe(AGL, PROCESS, composition="debye", host=HOSTS, rules=SMOOTH)
    train(whole, tables, tmp_path / "model")
    (tmp_path / "model" / "run" / "member-1" / "dft" / "done.json").unlink()
    (tmp_path / "model" / "card.json").unlink()
    again = weights_of(train(whole, tables, tmp_path / "model", resume=True))
    assert all(np.array_equal(value, again[name]) for name, value in weights_of(model).items())


def test_it_fits_corrections_only(tmp_path):
    with pytest.raises(ValueError, match="a Gaussian process fits corrections only"):
        recipe(AGL, {**PROCESS, "fidelity": "agl"}, composition="debye", host=HOSTS, rules=SMOOTH)
    direct = train(recipe(stage("dft"), host="element-statistics"), tables, tmp_path / "direct")
    with pytest.raises(BadRun, match="no rung to correct"):
        train(recipe(PROCESS, start="accurate"), tables, tmp_path / "own", start=direct)
