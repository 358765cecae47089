"""A rung above the default one, and which rung further training continues."""

from __future__ import annotations

import numpy as np
import pytest

from kappatune.model.kappa_model import KappaModel
from kappatune.training import train
from kappatune.training.networks import continued_rung
from tests.training.tiny import DEBYE_COLUMNS, recipe, stage, tables, tiny_table

AGL = stage("agl", properties=DEBYE_COLUMNS, epochs=30)
RUNGS = [AGL, *({"name": rung, "fidelity": rung, "learner": "trees"} for rung in ("dft", "experiment"))]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> KappaModel:
    plan = recipe(*RUNGS, composition="debye", default_fidelity="dft")
    return train(plan, tables, tmp_path_factory.mktemp("default") / "model")


def ln_kappa(model, fidelity=None):
    rows = model.predict([row.crystal for row in tiny_table("dft").rows], fidelity)
    return np.log([row.kappa_w_mk for row in rows])


def test_the_named_rung_is_predicted_though_another_one_was_trained_last(model):
    assert (model.card.fidelities, model.default_fidelity) == (["agl", "dft", "experiment"], "dft")
    assert np.array_equal(ln_kappa(model), ln_kappa(model, "dft"))
    measured = np.log([row.kappa for row in tiny_table("experiment", 3.0).rows])
    assert np.abs(ln_kappa(model, "experiment") - measured).mean() < 0.5 < np.abs(ln_kappa(model) - measured).mean()


def test_the_default_outlives_the_bundle(model, tmp_path):
    model.save(tmp_path / "model")
    assert KappaModel.load(tmp_path / "model").default_fidelity == "dft"


def test_it_names_a_rung_that_is_trained():
    with pytest.raises(ValueError, match="default_fidelity: no stage trains 'dft'"):
        recipe(AGL, composition="debye", default_fidelity="dft")


def test_finetuning_continues_the_default_rung_and_predicts_its_own(model):
    own = [(row.crystal, row.kappa) for row in tiny_table("mlip", 1.0).rows[:6]]
    tuned = train(recipe({"name": "own", "fidelity": "mlip", "learner": "trees"}, start="m"), own, start=model)
    assert (tuned.card.fidelities[-1], tuned.default_fidelity) == ("mlip", "mlip")
    moved = {rung: np.abs(ln_kappa(tuned) - ln_kappa(model, rung)).mean() for rung in ("dft", "experiment")}
    assert moved["dft"] < 0.5 * moved["experiment"]


@pytest.mark.parametrize(
    ("rungs", "fidelity", "default", "expected"),
    [
        (["agl", "dft", "experiment"], "mlip", "dft", "dft"),
        (["agl", "dft", "experiment"], "experiment", "dft", "experiment"),
        (["agl", "dft", "experiment", "mlip"], "semiempirical", None, "mlip"),
        (["agl", "dft"], "agl", "dft", "agl"),
        (["agl"], "dft", "agl", None),
        ([], "agl", None, None),
    ],
)
def test_a_rung_continues_itself_or_the_default_or_the_last(rungs, fidelity, default, expected):
    assert continued_rung(rungs, fidelity, "debye", default) == expected
