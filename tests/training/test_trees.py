from __future__ import annotations

import numpy as np
import pytest
import torch

from kappatune.model.heads import Correction
from kappatune.model.kappa_model import KappaModel
from kappatune.training import train
from kappatune.training.corrections import CorrectionData, fit_correction
from kappatune.training.recipe import BadRun
from tests.training.tiny import DEBYE_COLUMNS, recipe, stage, tables, tiny_table

HOSTS = ["megnet-mp-2018.6.1-log10K", "element-statistics"]
AGL = stage("agl", properties=DEBYE_COLUMNS)
TREES = {"name": "dft", "fidelity": "dft", "learner": "trees"}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> KappaModel:
    out = tmp_path_factory.mktemp("trees") / "model"
    return train(recipe(AGL, TREES, composition="debye", host=HOSTS), tables, out)


def test_correction_learns_what_the_base_lacks(model):
    rows = tiny_table("dft").rows
    truth = np.log([row.kappa for row in rows])
    crystals = [row.crystal for row in rows]
    base, corrected = (
        np.log([row.kappa_w_mk for row in model.predict(crystals, fidelity)]) for fidelity in ("agl", "dft")
    )
    assert np.abs(base - truth).mean() > 1.0
    assert np.abs(corrected - truth).mean() < 0.25


def test_a_correction_gives_its_own_spread_even_alone(model):
    row = model.predict([tiny_table("dft").rows[0].crystal], "dft")[0]
    assert row.lower_w_mk < row.kappa_w_mk < row.upper_w_mk
    alone = model.predict([tiny_table("dft").rows[0].crystal], "agl")[0]
    assert alone.lower_w_mk is None


def test_no_value_of_the_set_travels(model):
    stored = torch.cat([value.flatten() for value in model.members[0].state_dict().values()]).double()
    scaler = model.card.scaler
    for row in tiny_table("dft").rows:
        for value in (row.kappa, np.log(row.kappa), float(scaler.encode(torch.tensor(row.kappa)))):
            assert (stored - value).abs().min() > 1e-9


def test_saved_and_loaded_model_agrees(model, tmp_path):
    crystals = [row.crystal for row in tiny_table("dft").rows[:3]]
    model.save(tmp_path / "copy")
    assert KappaModel.load(tmp_path / "copy").predict(crystals) == model.predict(crystals)


def test_same_seed_same_correction(model):
    network = model.members[0]
    features, elsewhere = torch.randn(
        2, 12, network.embedding_size + 3, generator=torch.Generator().manual_seed(0)
    ).abs()
    weights = []
    for _ in range(2):
        head = network.new_head("dft")
        with torch.no_grad():
            for parameter in head.parameters():
                parameter.zero_()
        head.standardise(network.head_inputs(features, "dft").detach())
        network.heads["dft"] = head
        values, formulas = np.arange(1.0, 13.0), list("abcdefghijkl")
        fit_correction(network, "dft", "trees", CorrectionData(features, values, formulas, elsewhere), seed=1)
        weights.append(torch.cat([p.detach().flatten() for p in head.parameters()]))
    assert torch.equal(weights[0], weights[1])


def test_far_inputs_do_not_run_away():
    head = Correction(3, [8])
    torch.nn.init.normal_(head.layers[-1].weight)
    assert torch.equal(head(torch.full((1, 3), 5.0)), head(torch.full((1, 3), 1e6)))


def test_trees_need_a_rung_below(tmp_path):
    direct = train(recipe(stage("dft"), host=HOSTS[0]), tables, tmp_path / "direct")
    direct.save(tmp_path / "saved")
    with pytest.raises(BadRun, match="no rung to correct"):
        train(recipe(TREES, start=str(tmp_path / "saved")), tables, tmp_path / "more")
    with pytest.raises(ValueError, match="trees fit corrections"):
        recipe(TREES, host=HOSTS[0])


def test_gradient_corrections_say_how_far_they_are_off(tmp_path):
    steps = recipe(AGL, stage("dft"), composition="debye", host=HOSTS[0])
    model = train(steps, tables, tmp_path / "m")
    rows = model.predict([row.crystal for row in tiny_table("dft").rows[:4]], "dft")
    widths = np.log([row.upper_w_mk / row.lower_w_mk for row in rows])
    assert np.allclose(widths, widths[0]) and widths[0] > 0
