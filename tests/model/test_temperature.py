"""Kappa at other temperatures than the 300 K models learn at."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kappatune import KappaModel
from kappatune.agl_workflow import AglSettings
from kappatune.calculations.agl import agl_of_crystal
from kappatune.model.prediction import Prediction, PredictionDetails
from kappatune.model.temperature import BadTemperature, at_temperature
from kappatune.physics.slack import acoustic_debye_temperature, ln_slack_kappa
from kappatune.potentials import Potential
from kappatune.structures import Crystal, LabelledCrystal, LabelledTable, Rejection
from kappatune.training import train
from kappatune.training.recipe import Recipe
from tests import toy_potentials as toy
from tests.builders import low_symmetry, rocksalt, supercell, zincblende

SILICON = zincblende(14, 14, 5.431, "Si")
EXOTIC = Crystal(np.diag([4.0, 4, 15]), np.array([18, 12]), np.array([[0, 0, 0.0], [0, 0, 0.5]]), id="exotic")


@pytest.fixture(scope="module")
def model():
    return KappaModel.load("fast")


def known(kappa=10.0, acoustic=600.0, **more):
    row = Prediction(id="x", kappa_w_mk=kappa, lower_w_mk=kappa / 2, upper_w_mk=2 * kappa, in_domain=True, **more)
    return PredictionDetails(row, acoustic_debye_temperature_k=acoustic)


@given(
    kappa=st.floats(1e-4, 1e5), acoustic=st.floats(1.0, 3000.0), first=st.floats(1.0, 5000.0),
    second=st.floats(1.0, 5000.0),
)  # fmt: skip
def test_kappa_falls_as_one_over_t(kappa, acoustic, first, second):
    one, other = (at_temperature(known(kappa, acoustic), t) for t in (first, second))
    for name in ("kappa_w_mk", "lower_w_mk", "upper_w_mk"):
        assert getattr(one, name) * first == pytest.approx(getattr(other, name) * second, rel=1e-12)
    assert one.in_domain is (first == 300.0 or first >= acoustic / 3)
    assert (one.reason is None) is one.in_domain


def test_the_flag_begins_below_a_third_of_the_acoustic_debye_temperature():
    at, below = at_temperature(known(acoustic=600.0), 200.0), at_temperature(known(acoustic=600.0), 199.9)
    assert (at.in_domain, at.reason) == (True, None)
    assert below.in_domain is False and below.kappa_w_mk == pytest.approx(10.0 * 300 / 199.9)
    reason = "at 199.9 K, below a third of the acoustic Debye temperature (600 K), 1/T no longer holds"
    assert below.reason == reason
    both = at_temperature(known(reason="no training crystal contains Xx"), 50.0)
    assert both.reason == f"no training crystal contains Xx; {reason.replace('199.9', '50')}"


def test_at_300_k_nothing_changes(model):
    crystals = [zincblende(6, 6, 3.567, "C"), SILICON, low_symmetry(), EXOTIC, Rejection("bad", "because")]
    rows = model.predict(crystals, temperature_k=300.0)
    assert (
        rows
        == model.predict(crystals)
        == [j.prediction for j in model.predict_with_details(crystals[:4], "dft")] + rows[4:]
    )
    assert {row.temperature_k for row in rows} == {300.0}
    assert rows[0].debye_temperature_k * 2 ** (-1 / 3) > 900 and rows[0].in_domain, "300 K is never a scaled value"


def test_only_temperature_and_kappa_differ_where_1_over_t_holds(model):
    (room,), (hot,) = model.predict(SILICON), model.predict(SILICON, temperature_k=900.0)
    same = {"temperature_k", "kappa_w_mk", "lower_w_mk", "upper_w_mk"}
    assert hot.model_dump(exclude=same) == room.model_dump(exclude=same)
    assert hot.kappa_w_mk == pytest.approx(room.kappa_w_mk / 3)


def test_the_agl_rung_is_the_slack_formula_at_that_temperature(model):
    (row,) = model.predict(SILICON, fidelity="agl", temperature_k=700.0)
    members = model.predict_with_details([SILICON], "agl")
    theta, gamma = row.debye_temperature_k, row.gruneisen
    ln_kappa = ln_slack_kappa(math.log(theta), gamma, math.log(28.085), math.log(5.431**3 / 8), math.log(2), 700.0)
    assert len(members[0].members_w_mk) > 1
    assert row.kappa_w_mk == pytest.approx(math.exp(ln_kappa), rel=0.02)  # means over the members differ a little


def test_the_curve_of_agl_has_the_same_course(model):
    temperatures = (200.0, 300.0, 450.0, 1000.0)
    settings = AglSettings(window=0.06, poisson=0.22, temperatures_k=temperatures)
    curve = agl_of_crystal(SILICON, Potential("Tersoff", "", toy.silicon()), settings)
    own = [model.predict(SILICON, temperature_k=t)[0].kappa_w_mk for t in temperatures]
    assert np.allclose(np.array(own) / own[1], np.array(curve.kappa_by_temperature_w_mk) / curve.kappa_w_mk)


@pytest.mark.parametrize("crystal", [SILICON, rocksalt(12, 8, 4.212, "MgO")], ids=["Si", "MgO"])
def test_a_supercell_has_the_same_flag(model, crystal):
    (row,) = model.predict(crystal)
    edge = acoustic_debye_temperature(row.debye_temperature_k, 2) / 3
    for cell in (crystal, supercell(crystal, (2, 1, 1)), supercell(crystal, (2, 2, 3))):
        for temperature, reliable in ((1.001 * edge, True), (0.999 * edge, False)):
            (scaled,) = model.predict(cell, temperature_k=temperature)
            assert scaled.in_domain is reliable
            assert scaled.kappa_w_mk == pytest.approx(row.kappa_w_mk * 300 / temperature, rel=1e-4)


def test_what_has_no_answer_has_none_at_any_temperature(model):
    lonely = Crystal(np.eye(3) * 20.0, np.array([14]), np.zeros((1, 3)), id="lonely")
    entries = [Rejection("bad", "because", "f.cif"), rocksalt(84, 8, 5.6, "polonium"), lonely]
    for cold, room in zip(model.predict(entries, temperature_k=10.0), model.predict(entries), strict=True):
        assert cold == room.model_copy(update={"temperature_k": 10.0}) and cold.kappa_w_mk is None


def test_a_model_without_debye_temperatures_answers_at_300_k_alone(tmp_path):
    rows = [LabelledCrystal(rocksalt(z, 8, 4.2 + 0.1 * k, str(z)), 5.0 + z, "dft", "toy", {}) for k, z in
            enumerate((12, 20, 25, 28, 38, 56))]  # fmt: skip
    stage = {"name": "dft", "fidelity": "dft", "epochs": 1, "batch_size": 4, "validation": None, "frozen": ["host"]}
    recipe = Recipe.model_validate(
        {"name": "tiny", "host": "megnet-mp-2018.6.1-log10K", "head": [4], "seeds": [1, 2], "stages": [stage]}
    )
    direct = train(recipe, lambda _: [LabelledTable("toy", rows, [], "0" * 64)], tmp_path / "model")
    (room,), (warm,) = direct.predict(rows[0].crystal), direct.predict(rows[0].crystal, temperature_k=400.0)
    assert room.kappa_w_mk and room.in_domain and room.reason is None
    assert (warm.temperature_k, warm.kappa_w_mk, warm.lower_w_mk, warm.upper_w_mk, warm.in_domain) == (
        400.0,
        *[None] * 4,
    )
    assert warm.reason == "this model predicts no Debye temperature, so it predicts at 300 K only"


def test_several_temperatures_give_a_row_each(model):
    rows = model.predict(SILICON, temperature_k=[300.0, 600.0])
    assert rows == [model.predict(SILICON)[0], model.predict(SILICON, temperature_k=600.0)[0]]


@pytest.mark.parametrize("wrong", ["warm", [], None, [300.0, "hot"]])
def test_what_is_not_a_temperature_gets_a_sentence(model, wrong):
    with pytest.raises(BadTemperature, match="give"):
        model.predict_stream([SILICON], temperature_k=wrong)


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf, -math.inf, [300.0, 0.0]])
def test_temperatures_no_crystal_has(model, wrong):
    with pytest.raises(BadTemperature, match="above 0 K"):
        model.predict_stream([SILICON], temperature_k=wrong)
