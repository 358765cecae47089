from __future__ import annotations

import numpy as np
import pytest
import torch

from kappatune.storage import SHIPPED_TABLES
from kappatune.structures import read_table
from kappatune.structures.table import BadTable
from kappatune.training import train
from kappatune.training.recipe import BadRun, Recipe, read_recipe
from kappatune.training.tables import tables_for
from tests.training import tiny
from tests.training.tiny import recipe, stage, tables, weights_of

PRETRAIN = {
    "name": "theta",
    "fidelity": "agl",
    "pretrain": "theta",
    "epochs": 40,
    "batch_size": 8,
    "learning_rate": 3e-3,
    "loss": "smooth_l1",
}


def trained(folder, *stages, resume=False, **settings):
    return train(recipe(*stages, **settings), tables, folder, resume=resume)


def test_a_host_learns_a_column_and_keeps_no_head_of_it(tmp_path):
    model = trained(tmp_path / "a", PRETRAIN, stage("agl", epochs=1, frozen=["host"]), pretrained=False)
    fresh = trained(tmp_path / "b", stage("agl", epochs=1, frozen=["host"]), pretrained=False)
    taught, untaught = (m.members[0].host.state_dict() for m in (model, fresh))
    assert any(not torch.equal(taught[name], untaught[name]) for name in taught)
    assert list(model.members[0].heads) == model.card.fidelities == ["agl"]
    spread = np.std([row.properties["theta"] for row in tiny.tiny_table("agl", 0.2, True).rows])
    (result,) = model.card.metrics["theta"]
    assert result["validation_error"] < spread
    assert model.card.formulas["pretraining"] == model.card.formulas["agl"]
    assert set(model.card.elements) == {"agl"}
    assert model.card.host.name == "tiny" and "random weights" in model.card.host.source
    assert model.card.licence == "MIT"


def test_the_scale_of_kappa_knows_nothing_of_the_column(tmp_path):
    model = trained(tmp_path, {**PRETRAIN, "epochs": 1}, stage("agl", epochs=1))
    labels = np.log([row.kappa for row in tiny.tiny_table("agl", 0.2).rows])
    assert model.card.scaler.mean == pytest.approx(labels.mean())


def test_a_run_that_was_stopped_after_pretraining_goes_on(tmp_path):
    stages = ({**PRETRAIN, "epochs": 3}, stage("agl", epochs=2))
    whole = trained(tmp_path / "whole", *stages)
    trained(tmp_path / "part", *stages)
    (tmp_path / "part" / "run" / "member-1" / "agl" / "done.json").unlink()
    again = trained(tmp_path / "part", *stages, resume=True)
    one, other = weights_of(whole), weights_of(again)
    assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("stages", "settings"),
    [
        ((stage("agl"), PRETRAIN), {}),
        ((PRETRAIN,), {}),
        ((PRETRAIN, stage("agl")), {"start": "accurate"}),
        (({**PRETRAIN, "loss": "mape"}, stage("agl")), {}),
    ],
)
def test_pretraining_comes_first_and_alone(stages, settings):
    with pytest.raises(ValueError, match="pretrain"):
        recipe(*stages, **settings)


def test_a_missing_column_is_named(tmp_path):
    with pytest.raises(BadRun, match="have no number in 'band_gap'"):
        trained(tmp_path, {**PRETRAIN, "pretrain": "band_gap"}, stage("agl"))


def test_shipped_tables_need_no_data():
    plan = read_recipe("starter")
    found = [tables_for(step, None) for step in plan.stages]
    assert all(len(tables) == 1 and not tables[0].rejections for tables in found)
    assert len(found[0][0].rows) >= 1500 and len(found[2][0].rows) >= 38
    with pytest.raises(BadRun, match="needs data"):
        tables_for(plan.stages[0].model_copy(update={"data": ("shipped:prototypes", "mine.parquet")}), None)


def test_a_folder_of_parts_is_one_table(tmp_path):
    folder = SHIPPED_TABLES["shipped:prototypes"]
    whole = read_table(folder)
    parts = [read_table(path) for path in sorted(folder.glob("part-*.parquet"))]
    assert [row.crystal.id for row in whole.rows] == [row.crystal.id for part in parts for row in part.rows]
    with pytest.raises(BadTable, match="a table is one of"):
        read_table(tmp_path)


@pytest.mark.slow
def test_starter_trains_from_the_package_alone(tmp_path):
    plan = read_recipe("starter").model_dump(mode="json")
    plan["seeds"] = [1]
    for step in plan["stages"]:
        step.update(epochs=1, batch_size=256)
    model = train(Recipe.model_validate(plan), None, tmp_path)
    assert model.card.fidelities == ["agl", "experiment"]
    (row,) = model.predict(tiny.tiny_table("dft").rows[5].crystal)
    assert row.kappa_w_mk > 0 and row.debye_temperature_k > 0
