from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kappatune.model.hosts import load_host
from kappatune.model.intervals import IntervalCalibration
from kappatune.model.kappa_model import KappaModel
from kappatune.structures import Crystal, LabelledCrystal, LabelledTable, Rejection
from kappatune.training import stage as stage_module
from kappatune.training import train
from kappatune.training.recipe import BadRun
from kappatune.training.stage import split_by_formula
from kappatune.training.tables import tables_for
from tests.builders import rocksalt
from tests.training import tiny
from tests.training.tiny import DEBYE_COLUMNS, recipe, stage, tables, tiny_table, weights_of


def trained(tmp_path, *stages, name="model", **settings) -> KappaModel:
    return train(recipe(*stages, **settings), tables, tmp_path / name)


def test_learning_reduces_the_error(tmp_path):
    model = trained(tmp_path, stage("dft", epochs=80, learning_rate=3e-3, validation=None))
    rows = tiny_table("dft").rows
    predicted = [row.kappa_w_mk for row in model.predict([row.crystal for row in rows])]
    error = np.abs(np.log(predicted) - np.log([row.kappa for row in rows])).mean()
    assert error < 0.15
    assert np.std(np.log([row.kappa for row in rows])) > 0.5


def test_one_scaler_serves_every_stage(tmp_path):
    """Five-fold higher labels in the second stage must come out five-fold, on the first stage's scale."""
    model = trained(
        tmp_path,
        stage("agl", epochs=60, learning_rate=3e-3, validation=None, frozen=["host"]),
        stage("dft", epochs=100, learning_rate=3e-3, validation=None, frozen=["host"]),
    )
    first = np.log([row.kappa for row in tiny_table("agl", 0.2).rows])
    assert model.card.scaler.mean == pytest.approx(first.mean())
    assert model.card.scaler.std == pytest.approx(first.std())
    rows = tiny_table("dft").rows
    predicted = np.array([p.kappa_w_mk for p in model.predict([row.crystal for row in rows])])
    assert abs(np.median(np.log(predicted / [row.kappa for row in rows]))) < 0.2


def test_a_frozen_host_stays_and_keeps_its_rungs(tmp_path):
    model = trained(tmp_path, stage("agl", frozen=["host"]), stage("dft", frozen=["host"]))
    published = load_host(tiny.HOST).state_dict()
    assert all(torch.equal(value, published[name]) for name, value in model.members[0].host.state_dict().items())
    assert model.card.fidelities == ["agl", "dft"]
    assert model.default_fidelity == "dft"


def test_a_host_that_moves_takes_the_lower_rung_away(tmp_path):
    model = trained(tmp_path, stage("agl"), stage("dft"))
    published = load_host(tiny.HOST).state_dict()
    moved = model.members[0].host.state_dict()
    assert any(not torch.equal(value, published[name]) for name, value in moved.items())
    assert model.card.fidelities == ["dft"]


def test_step_one_begins_at_random(tmp_path):
    model = trained(tmp_path, stage("dft", epochs=1, frozen=["host"]), pretrained=False)
    published = load_host(tiny.HOST).state_dict()
    assert not torch.equal(model.members[0].host.state_dict()["last.weight"], published["last.weight"])


def test_parts_of_the_host_can_be_frozen(tmp_path):
    model = trained(tmp_path, stage("dft", frozen=["host.blocks.0", "host.element"]))
    published = load_host(tiny.HOST).state_dict()
    state = model.members[0].host.state_dict()
    frozen = [n for n in state if n.startswith(("blocks.0", "element"))]
    assert all(torch.equal(state[n], published[n]) for n in frozen)
    assert not torch.equal(state["blocks.1.update_edge.0.weight"], published["blocks.1.update_edge.0.weight"])
    with pytest.raises(BadRun, match=r"has a name that begins with 'host\.block'"):
        trained(tmp_path, stage("dft", frozen=["host.block"]), name="other")


def test_the_debye_composition_learns_theta_and_gamma(tmp_path):
    agl = stage(
        "agl",
        epochs=80,
        learning_rate=3e-3,
        frozen=["host"],
        loss="smooth_l1",
        validation=None,
        properties=DEBYE_COLUMNS,
        loss_weights={"debye_temperature_k": 3.0, "gruneisen": 1.0, "bulk_modulus_gpa": 1.0, "shear_modulus_gpa": 1.0},
    )
    model = trained(tmp_path, agl, stage("dft", epochs=150, learning_rate=3e-3, validation=None), composition="debye")
    rows = tiny_table("agl", with_properties=True).rows
    predictions = model.predict([row.crystal for row in rows], fidelity="agl")
    theta = np.array([row.properties["theta"] for row in rows])
    assert np.abs(np.log([p.debye_temperature_k for p in predictions] / theta)).mean() < 0.15
    assert np.mean([p.gruneisen for p in predictions]) == pytest.approx(2.03, abs=0.1)
    # The agl rung is the Slack formula of its own theta and gamma; the dft rung is corrected towards its labels.
    assert model.card.fidelities == ["agl", "dft"]
    dft = np.array([p.kappa_w_mk for p in model.predict([row.crystal for row in rows])])
    assert np.abs(np.log(dft / [row.kappa for row in tiny_table("dft").rows])).mean() < 0.3


def test_a_correction_moves_nothing_below_it(tmp_path):
    agl = stage("agl", properties=DEBYE_COLUMNS)
    first = trained(tmp_path, agl, composition="debye", name="first")
    second = train(recipe(stage("dft"), start=str(tmp_path / "first")), tables, tmp_path / "second")
    before, after = weights_of(first), weights_of(second)
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert set(after) - set(before) == {n for n in after if ".heads.dft." in n}


def test_finetuning_keeps_the_scaler_and_the_record(tmp_path):
    first = trained(tmp_path, stage("dft"), seeds=[1, 2], name="first")
    own = {"name": "own", "epochs": 2, "frozen": ["host"]}
    second = train(
        recipe(own, start=str(tmp_path / "first")),
        lambda _: [tiny_table("experiment", 3.0)],
        tmp_path / "second",
    )
    assert second.card.scaler == first.card.scaler
    assert second.card.fidelities == ["dft", "experiment"]
    assert len(second.members) == 2
    assert [d.stage for d in second.card.data] == ["dft", "own"]
    assert [m["seed"] for m in second.card.metrics["own"]] == [1, 2]


def test_finetuning_keeps_the_intervals_of_the_rungs_that_it_leaves_alone(tmp_path):
    first = trained(tmp_path, stage("dft"), seeds=[1, 2], name="first")
    calibration = IntervalCalibration(level=0.9, factor=3.0, floor_ln=0.2, n=100, date="2026-11-25")
    first.card = first.card.model_copy(update={"calibration": {"dft": calibration}})
    crystals = [row.crystal for row in tiny_table("dft").rows]

    def finetuned(name: str, fidelity: str) -> KappaModel:
        own = {"name": "own", "epochs": 2, "frozen": ["host"]}
        return train(recipe(own, start="first"), lambda _: [tiny_table(fidelity, 3.0)], tmp_path / name, start=first)

    second = finetuned("second", "experiment")
    assert second.card.calibration == {"dft": calibration}
    before, after = first.predict(crystals, "dft"), second.predict(crystals, "dft")
    assert [row.upper_w_mk for row in after] == pytest.approx([row.upper_w_mk for row in before])
    assert KappaModel.load(tmp_path / "second").card.calibration == {"dft": calibration}
    assert finetuned("third", "dft").card.calibration == {}


def test_same_seed_same_model_other_seed_other_model(tmp_path):
    first, again = (trained(tmp_path, stage("dft"), name=name) for name in ("a", "b"))
    other = trained(tmp_path, stage("dft"), name="c", seeds=[4])
    assert all(np.array_equal(v, weights_of(again)[k]) for k, v in weights_of(first).items())
    assert any(not np.array_equal(v, weights_of(other)[k]) for k, v in weights_of(first).items())


def test_averaged_weights_are_the_ones_kept(tmp_path, monkeypatch):
    """The running average begins at the first update and forgets at the stated rate."""
    seen = []
    follow = stage_module.StageModule.on_train_batch_end

    def spy(self, *arguments):
        seen.append(self.network.heads["dft"].layers[0].weight.detach().clone())
        follow(self, *arguments)

    monkeypatch.setattr(stage_module.StageModule, "on_train_batch_end", spy)
    model = trained(tmp_path, stage("dft", validation=None, average=0.9))
    expected = seen[0]
    for weight in seen[1:]:
        expected = 0.9 * expected + 0.1 * weight
    assert len(seen) == 9
    assert torch.allclose(model.members[0].heads["dft"].layers[0].weight, expected, atol=1e-6)


def test_a_base_that_moves_takes_its_corrections_away(tmp_path):
    agl = stage("agl", properties=DEBYE_COLUMNS)
    trained(tmp_path, agl, stage("dft"), composition="debye", name="first")
    again = train(
        recipe(stage("agl", frozen=["host"]), start=str(tmp_path / "first")),
        tables,
        tmp_path / "second",
    )
    assert again.card.fidelities == ["agl"]


def test_one_formula_alone_trains_without_validation(tmp_path):
    rows = [replace(row, crystal=rocksalt(12, 8, 4.0 + 0.05 * k)) for k, row in enumerate(tiny_table("dft").rows[:6])]
    table = LabelledTable("t", rows, [], "0" * 64)
    own = stage("dft", validation={"fraction": 0.5, "patience": 1})
    model = train(recipe(own), lambda _: [table], tmp_path / "m")
    assert model.card.metrics["dft"][0]["n_validation"] == 0
    assert model.card.metrics["dft"][0]["validation_error"] is None


class Killed(Exception):
    pass


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"average": 0.9, "schedule": "cosine"},
        {"validation": None, "loss": "mape", "schedule": "constant"},
        {"validation": {"fraction": 0.3, "patience": 1}, "learning_rate": 0.03},
    ],
)
def test_an_interrupted_run_ends_like_an_uninterrupted_one(tmp_path, monkeypatch, settings):
    stages = [stage("agl", epochs=4, **settings), stage("dft", epochs=5, **settings)]
    whole = trained(tmp_path, *stages, seeds=[1, 2], name="whole")

    monkeypatch.setattr(stage_module, "CHECKPOINT_SECONDS", 0.0)
    epochs_left = iter([2, 3, 4, 1, 5, 6])
    countdown = [next(epochs_left)]

    def die(self, *_):
        countdown[0] -= 1
        if countdown[0] < 0:
            raise Killed

    monkeypatch.setattr(stage_module.StageModule, "on_train_epoch_start", die, raising=False)
    for _ in range(20):
        try:
            resumed = train(recipe(*stages, seeds=[1, 2]), tables, tmp_path / "killed", resume=True)
            break
        except Killed:
            countdown[0] = next(epochs_left, 100)
    assert all(np.array_equal(v, weights_of(resumed)[k]) for k, v in weights_of(whole).items())
    for name in ("agl", "dft"):
        for first, second in zip(whole.card.metrics[name], resumed.card.metrics[name], strict=True):
            assert {**first, "seconds": 0} == {**second, "seconds": 0}
    logs = (tmp_path / "killed" / "run" / "member-1" / "dft").glob("log-*/metrics.csv")
    assert sum(1 for _ in logs) >= 1


SCRIPT = """
import sys
from pathlib import Path
from kappatune.training import stage as stage_module
from kappatune.training import train
from tests.training import tiny
stage_module.CHECKPOINT_SECONDS = 0.0
recipe = tiny.recipe(tiny.stage("agl", epochs=30), tiny.stage("dft", epochs=30))
print("started", flush=True)
train(recipe, tiny.tables, Path(sys.argv[1]), resume=True)
"""


@pytest.mark.slow
def test_sigkill_and_resume(tmp_path):
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{here.parent}", "OMP_NUM_THREADS": "1"}

    def run(out, kill_after=None):
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(out)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdout and process.stdout.readline() == b"started\n"
        if kill_after:
            time.sleep(kill_after)
            process.send_signal(signal.SIGKILL)
        return process.wait()

    assert run(tmp_path / "killed", 1.5) == -signal.SIGKILL
    assert not (tmp_path / "killed" / "card.json").exists()
    assert run(tmp_path / "killed", 2.5) == -signal.SIGKILL or (tmp_path / "killed" / "card.json").exists()
    assert run(tmp_path / "killed") == 0
    assert run(tmp_path / "whole") == 0
    first, second = (weights_of(KappaModel.load(tmp_path / name)) for name in ("killed", "whole"))
    assert all(np.array_equal(v, second[k]) for k, v in first.items())


def test_a_loss_that_explodes_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(stage_module.StageModule, "_loss", lambda self, *_: self.network.host.last.weight.sum() / 0)
    with pytest.raises(BadRun, match="no longer finite: lower learning_rate"):
        trained(tmp_path, stage("dft"))


def test_gradients_are_clipped(tmp_path):
    free, clipped = (
        trained(tmp_path, stage("dft", epochs=1, validation=None, gradient_clip=clip), name=str(clip))
        for clip in (None, 1e-9)
    )
    assert any(not np.array_equal(v, weights_of(clipped)[k]) for k, v in weights_of(free).items())


def test_a_used_folder_is_refused(tmp_path):
    trained(tmp_path, stage("dft", epochs=1))
    with pytest.raises(BadRun, match="not empty"):
        trained(tmp_path, stage("dft", epochs=1))
    with pytest.raises(BadRun, match="holds a run of another recipe: choose"):
        train(recipe(stage("dft", epochs=2)), tables, tmp_path / "model", resume=True)


def test_rows_that_cannot_be_used_are_listed(tmp_path):
    rows = tiny_table("dft").rows
    lonely = Crystal(np.eye(3) * 15.0, np.array([14]), np.zeros((1, 3)), id="lonely")
    odd = [
        LabelledCrystal(rocksalt(84, 8, 5.5, "polonium"), 1.0, "dft"),
        LabelledCrystal(lonely, 1.0, "dft"),
        LabelledCrystal(rocksalt(12, 8, 4.2, "rough"), 1.0, "agl"),
    ]
    table = LabelledTable("t", rows + odd, [], "0" * 64)
    model = train(recipe(stage("dft", epochs=1)), lambda _: [table], tmp_path / "m")
    listed = (tmp_path / "m" / "run" / "left_out.jsonl").read_text()
    assert all(name in listed for name in ("polonium", "lonely", "rough"))
    assert (model.card.data[0].n_rows, model.card.data[0].n_left_out) == (len(rows), 3)


def test_data_that_do_not_fit_are_explained(tmp_path):
    with pytest.raises(BadRun, match="usable rows"):
        few = replace(tiny_table("dft"), rows=tiny_table("dft").rows[:2])
        train(recipe(stage("dft")), lambda _: [few], tmp_path / "a")
    with pytest.raises(BadRun, match="names no fidelity"):
        mixed = replace(tiny_table("dft"), rows=tiny_table("dft").rows + tiny_table("agl").rows)
        train(recipe({"name": "x", "epochs": 1}), lambda _: [mixed], tmp_path / "b")
    with pytest.raises(BadRun, match="missing or empty"):
        columns = {"debye_temperature_k": "absent"}
        train(recipe(stage("agl", properties=columns), composition="debye"), tables, tmp_path / "c")
    with pytest.raises(BadRun, match=r"corrects the 'agl' rung|offers pooled, readout"):
        train(recipe(stage("dft"), embedding="foo"), tables, tmp_path / "d")
    refused = replace(tiny_table("dft"), rows=[], rejections=[Rejection("a", "there is no such file", "a.cif")])
    with pytest.raises(BadRun, match=r"no usable row. Left out: a \(a\.cif\): there is no such file"):
        train(recipe({"name": "x", "epochs": 1}), lambda _: [refused], tmp_path / "e")
    (tmp_path / "file").write_text("")
    with pytest.raises(BadRun, match="is a file"):
        train(recipe(stage("dft")), tables, tmp_path / "file")
    with pytest.raises(BadRun, match=r"not a list: give structures and values together"):
        train(recipe(stage("dft")), ["a.cif", "b.cif"], [1.0, 2.0])
    with pytest.raises(BadRun, match=r"of type int: give a table, its path, or pairs"):
        train(recipe({"name": "x", "epochs": 1}), 3)
    with pytest.raises(BadRun, match="needs data"):
        tables_for(recipe(stage("dft")).stages[0], None)
    with pytest.raises(BadRun, match="no such file"):
        tables_for(recipe(stage("dft")).stages[0], tmp_path / "nowhere")


def test_formulas_never_stand_on_both_sides():
    formulas = [f"A{k % 17}" for k in range(100)]
    train, held = split_by_formula(formulas, 0.3, seed=5)
    assert not {formulas[i] for i in train} & {formulas[i] for i in held}
    assert sorted([*train, *held]) == list(range(100))
    assert len({formulas[i] for i in held}) == 5


def test_members_that_share_a_host_are_trained_apart(tmp_path):
    start = train(recipe(stage("dft", epochs=1, frozen=["host"]), seeds=[1, 2]), tables, tmp_path / "start")
    loaded = KappaModel.load(tmp_path / "start")
    assert loaded.members[0].host is loaded.members[1].host
    plan = recipe(stage("experiment", epochs=1), start=str(tmp_path / "start"))
    from_shared, from_separate = (weights_of(train(plan, tables, start=model)) for model in (loaded, start))
    assert all(np.array_equal(value, from_separate[name]) for name, value in from_shared.items())
    assert not np.array_equal(from_shared["0.host.element.weight"], from_shared["1.host.element.weight"])
