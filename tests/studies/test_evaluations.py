from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from studies.store import load_result
from studies.transfer.__main__ import main
from studies.transfer.benchmark_page import benchmark_page
from studies.transfer.evaluations import EvaluationKey, EvaluationStore, Predictions
from studies.transfer.intervals import calibrations_of
from studies.transfer.recipes import ACCURATE
from studies.transfer.results import TransferResults

ACROSS = EvaluationKey("transfer", ACCURATE, "L96", "HH143", "all")


def predictions(n: int = 60, seed: int = 0, error: float = 0.2) -> Predictions:
    rng = np.random.default_rng(seed)
    truth = np.geomspace(0.512345, 301.2345, n)
    return Predictions(
        ids=[f"x{k}" for k in range(n)],
        formulas=[f"A{k // 2}B" for k in range(n)],
        groups=["rocksalt"] * (n - 10) + ["other"] * 10,
        truth=truth,
        predicted=truth * np.exp(error * rng.standard_normal(n)),
        spread=np.full(n, error),
        distance=np.full(n, 0.5),
    )


def store_in(folder: Path) -> EvaluationStore:
    return EvaluationStore(folder / "results.jsonl", folder / "work")


def fill(store: EvaluationStore, model: str = ACCURATE) -> None:
    for split in ("formula-0", "formula-1", "anion-out", "family-out"):
        store.add(EvaluationKey("grouped", model, "MIX", "MIX", split), predictions(), n_train=190, seconds=1.0)
    across = EvaluationKey("transfer", model, "L96", "HH143", "all")
    store.add(across, predictions(seed=1), n_train=95, n_left_out=2, seconds=1.0)
    published = EvaluationKey("crabnet", model, "AFLOW", "AFLOW", "published")
    store.add(published, predictions(seed=2), n_train=3000, seconds=1.0)


def test_an_evaluation_comes_back_as_it_was_stored(tmp_path):
    store = store_in(tmp_path)
    assert not store.has(ACROSS)
    fill(store)
    assert store.has(ACROSS) and store_in(tmp_path).has(ACROSS)
    back = store.predictions(ACROSS)
    assert back.truth == pytest.approx(predictions(seed=1).truth) and list(back.ids)[:2] == ["x0", "x1"]
    (evaluation,) = [e for e in store.evaluations() if e.study == "transfer"]
    assert evaluation.key == ACROSS and evaluation.n_left_out == 2 and evaluation.metrics.n == 60


def test_results_hold_no_value_of_a_row(tmp_path):
    fill(store_in(tmp_path))
    stored = (tmp_path / "results.jsonl").read_text()
    assert not [value for value in predictions().truth if f"{value:.6g}" in stored]
    assert "x0" not in stored and "A3B" not in stored


def test_an_evaluation_without_its_predictions_is_computed_again(tmp_path):
    store = store_in(tmp_path)
    fill(store)
    (tmp_path / "work" / "predictions" / f"{ACROSS.name}.csv").unlink()
    assert not store.has(ACROSS)
    store.add(ACROSS, predictions(seed=3), n_train=95, seconds=1.0)
    assert store.has(ACROSS) and len([e for e in store.evaluations() if e.key == ACROSS]) == 1


def test_calibration_and_page_come_from_stored_evaluations(tmp_path):
    store = store_in(tmp_path)
    fill(store)
    agl, dft = calibrations_of(ACCURATE, store)
    assert (agl.fidelity, dft.fidelity) == ("agl", "dft")
    assert agl.coverage.coverage == pytest.approx(0.9, abs=0.08)
    assert dft.left_out.keys() == {"rocksalt", "other"}
    assert calibrations_of("nobody", store) == []
    text = benchmark_page(TransferResults(store.evaluations(), [agl, dft]), load_result("labels"))
    assert f"| {ACCURATE} | L96 | HH143 | all | 60 | 2 |" in text
    assert "not computed" in text and "| no |" not in text.split("## Interval coverage")[1]
    assert "Does transfer help" not in text, "no step has been computed"
    assert text == benchmark_page(TransferResults(store.evaluations(), [agl, dft]), load_result("labels"))


def test_the_command_says_which_table_is_missing(tmp_path):
    app = typer.Typer()
    app.command()(main)
    options = ["--results", str(tmp_path / "r.jsonl"), "--work", str(tmp_path / "w")]
    run = CliRunner().invoke(app, ["--data", str(tmp_path), *options])
    assert run.exit_code == 1 and "l96.parquet is missing" in run.output
    run = CliRunner(env={"KAPPATUNE_DATA": ""}).invoke(app, options)
    assert run.exit_code == 2 and "--data" in run.output
