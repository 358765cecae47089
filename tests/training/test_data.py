"""What `train` takes as data, and what a call without a folder gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kappatune.model.kappa_model import KappaModel
from kappatune.progress import Advanced
from kappatune.structures import Crystal
from kappatune.training import train
from kappatune.training.events import LabelsDoubted, RowsLeftOut, StageFinished, StagePrepared
from kappatune.training.recipe import BadRecipe, BadRun
from kappatune.training.tables import as_source, table_of_pairs, tables_for
from tests.builders import rocksalt
from tests.training.tiny import DEBYE_COLUMNS, recipe, stage, tables, tiny_table, weights_of

OWN = {"name": "own", "epochs": 2, "batch_size": 8}
LONELY = Crystal(np.eye(3) * 15.0, np.array([14]), np.zeros((1, 3)), id="lonely")


@pytest.fixture(scope="module")
def pairs():
    return [(row.crystal, row.kappa) for row in tiny_table("experiment").rows]


def test_pairs_a_data_frame_and_a_table_train_the_same_model(pairs):
    structures = [crystal.to_pymatgen() for crystal, _ in pairs]
    frame = pd.DataFrame({"structure": structures, "kappa": [kappa for _, kappa in pairs]})
    crystals = [(crystal.to_pymatgen(), kappa) for crystal, kappa in pairs]
    models = [train(recipe(OWN), data) for data in (crystals, iter(crystals), frame)]
    first, *others = map(weights_of, models)
    assert all(np.array_equal(value, other[name]) for other in others for name, value in first.items())
    assert models[0].card.fidelities == ["experiment"]


def test_pairs_take_the_fidelity_of_the_stage(pairs):
    assert train(recipe(stage("dft", epochs=1)), pairs).card.fidelities == ["dft"]


def test_pairs_that_cannot_be_used_are_rejected_with_a_reason(pairs):
    table = table_of_pairs([*pairs[:2], (pairs[2][0], -1.0), (pairs[3][0], "high"), ("absent.cif", 3.0), (7, 3.0)])
    assert len(table.rows) == 2
    reasons = [rejection.reason for rejection in table.rejections]
    assert "conductivity is -1.0: give a number above 0" in reasons[0]
    assert "conductivity is 'high'" in reasons[1]
    assert "no such file" in reasons[2]
    assert "int" in reasons[3]
    with pytest.raises(BadRun, match="item 2 of the data is not a pair"):
        table_of_pairs([pairs[0], 12.0])


def test_a_data_frame_without_a_column_is_refused():
    with pytest.raises(BadRun, match="has no column 'kappa'"):
        as_source(pd.DataFrame({"structure": []}))


def test_a_table_in_memory_does_not_replace_files_of_a_recipe():
    with pytest.raises(BadRun, match=r"reads l96\.parquet from a folder"):
        tables_for(recipe({**OWN, "data": ["l96.parquet"]}).stages[0], tiny_table("dft"))


def test_without_a_folder_the_model_is_in_memory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = train(recipe(stage("dft", epochs=1)), tables)
    assert not list(tmp_path.iterdir())
    model.save("kept")
    crystal = tiny_table("dft").rows[0].crystal
    assert KappaModel.load("kept").predict(crystal) == model.predict(crystal)
    with pytest.raises(BadRun, match="to resume a run, give its folder"):
        train(recipe(stage("dft", epochs=1)), tables, resume=True)


def test_a_model_in_memory_is_the_same_start_as_its_folder(tmp_path):
    start = train(recipe(stage("dft", epochs=1)), tables, tmp_path / "start")
    before = weights_of(start)
    plan = recipe({**OWN, "frozen": ["host"]}, start=str(tmp_path / "start"))
    from_folder = train(plan, tiny_table("experiment"))
    from_memory = train(plan, tiny_table("experiment"), tmp_path / "out", start=start)
    first, second = weights_of(from_folder), weights_of(from_memory)
    assert all(np.array_equal(value, second[name]) for name, value in first.items())
    assert all(np.array_equal(value, before[name]) for name, value in weights_of(start).items())
    assert from_memory.card.recipe["start"] == "tiny"
    other = train(recipe(stage("dft", epochs=2)), tables)
    with pytest.raises(BadRun, match="holds a run from another model: choose"):
        train(plan, tiny_table("experiment"), tmp_path / "out", start=other, resume=True)


def test_a_resumed_run_may_spell_its_start_otherwise_but_says_which_input_is_another(tmp_path):
    train(recipe(stage("dft", epochs=1)), tables, tmp_path / "start")
    finetuning = recipe({**OWN, "frozen": ["host"]}, start=str(tmp_path / "start"))
    own = tiny_table("experiment")
    first = train(finetuning, own, tmp_path / "out")
    again = train(finetuning, own, tmp_path / "out", start=tmp_path / "." / "out" / ".." / "start", resume=True)
    assert all(np.array_equal(value, weights_of(again)[name]) for name, value in weights_of(first).items())
    fewer = replace(own, rows=own.rows[:-1])
    with pytest.raises(BadRun, match="holds a run with other data: choose"):
        train(finetuning, fewer, tmp_path / "out", resume=True)


def test_a_recipe_with_a_host_takes_no_start():
    with pytest.raises(BadRecipe, match="cannot start from a model"):
        train(recipe(OWN), tables, start="accurate")


def test_progress_is_reported_as_events(tmp_path):
    events = []
    pairs = [(row.crystal, row.kappa) for row in tiny_table("dft").rows]
    train(recipe(OWN), [*pairs, (LONELY, 1.0)], tmp_path, on_progress=events.append)
    prepared, left_out, *others, finished = events
    assert prepared == StagePrepared("own", len(pairs), "experiment")
    assert isinstance(left_out, RowsLeftOut) and left_out.n_rows == 1
    assert "lonely: no atom has a neighbour" in left_out.examples
    assert left_out.reasons is not None and left_out.reasons.is_file()
    epochs = [event for event in others if not isinstance(event, LabelsDoubted)]
    assert epochs == [Advanced(1, 2, "epochs"), Advanced(2, 2, "epochs")]
    assert isinstance(finished, StageFinished) and finished.epochs == 2
    assert str(finished).startswith("member 1 of 1, stage own: 2 epochs, validation error of ln kappa: ")


def test_a_run_that_is_not_kept_gives_the_reasons_themselves(pairs):
    events = []
    train(recipe(OWN), [*pairs, (LONELY, 1.0)], on_progress=events.append)
    assert str(events[1]) == "1 row was left out: lonely: no atom has a neighbour within 4 Å"


def test_composition_alone_is_a_host_that_needs_no_bonds(tmp_path):
    """Version 0.1.0 failed with an IndexError, and left out every row for lack of a neighbour within 0 Å."""
    host = "element-statistics"
    agl = stage("agl", properties=DEBYE_COLUMNS, frozen=["host"])
    train(recipe(agl, stage("dft"), host=host, composition="debye"), tables, tmp_path / "m")
    rows = [row.crystal for row in tiny_table("dft").rows]
    first, lonely = KappaModel.load(tmp_path / "m").predict([rows[0], LONELY])
    assert first.in_domain and first.kappa_w_mk > 0
    assert lonely.kappa_w_mk > 0
    with pytest.raises(BadRun, match="this host has no parameters"):
        train(recipe(stage("dft", frozen=["host.table"]), host=host), tables)


def test_the_folder_of_a_run_is_a_path_or_a_string(tmp_path):
    train(recipe({**OWN, "epochs": 1}), [(rocksalt(12, 8, 4.0 + 0.1 * k), 50.0 - k) for k in range(6)], str(tmp_path))
    assert (Path(tmp_path) / "card.json").is_file()
