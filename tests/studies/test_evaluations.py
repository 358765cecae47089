from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from kappatune.cli import app
from studies.transfer.evaluations import Answered, Store, evaluation_name, read_evaluations
from studies.transfer.intervals import calibration_of
from studies.transfer.page import page
from studies.transfer.results import Results


def answered(n: int = 60, seed: int = 0, error: float = 0.2) -> Answered:
    rng = np.random.default_rng(seed)
    truth = np.geomspace(0.512345, 301.2345, n)
    return Answered(
        ids=[f"x{k}" for k in range(n)],
        formulas=[f"A{k // 2}B" for k in range(n)],
        groups=["rocksalt"] * (n - 10) + ["other"] * 10,
        truth=truth,
        predicted=truth * np.exp(error * rng.standard_normal(n)),
        spread=np.full(n, error),
        distance=np.full(n, 0.5),
    )


def fill(store: Store, model: str = "accurate") -> None:
    for split in ("formula-0", "formula-1", "anion-out", "family-out"):
        store.put("grouped", model, "MIX", "MIX", split, answered(), n_train=190, seconds=1.0)
    store.put("transfer", model, "L96", "HH143", "all", answered(seed=1), n_train=95, n_left_out=2, seconds=1.0)
    store.put("crabnet", model, "AFLOW", "AFLOW", "published", answered(seed=2), n_train=3000, seconds=1.0)


def test_a_cell_comes_back_as_it_was_stored(tmp_path):
    store = Store(tmp_path / "results", tmp_path / "work")
    name = evaluation_name("transfer", "accurate", "L96", "HH143", "all")
    assert not store.has(name)
    fill(store)
    assert store.has(name)
    back = store.answered(name)
    assert back.truth == pytest.approx(answered(seed=1).truth) and list(back.ids)[:2] == ["x0", "x1"]
    (cell,) = [c for c in read_evaluations(tmp_path / "results") if c.study == "transfer"]
    assert cell.name == name and cell.n_left_out == 2 and cell.metrics.n == 60


def test_results_hold_no_value_of_a_row(tmp_path):
    store = Store(tmp_path / "results", tmp_path / "work")
    fill(store)
    kept = "".join(path.read_text() for path in (tmp_path / "results").iterdir())
    assert not [value for value in answered().truth if f"{value:.6g}" in kept]
    assert "x0" not in kept and "A3B" not in kept


def test_a_cell_without_its_predictions_is_not_there(tmp_path):
    store = Store(tmp_path / "results", tmp_path / "work")
    fill(store)
    name = evaluation_name("transfer", "accurate", "L96", "HH143", "all")
    (tmp_path / "work" / "predictions" / f"{name}.csv").unlink()
    assert not store.has(name)


def test_calibration_and_page_come_from_stored_cells(tmp_path):
    store = Store(tmp_path / "results", tmp_path / "work")
    fill(store)
    agl, dft = calibration_of("accurate", store)
    assert (agl.fidelity, dft.fidelity) == ("agl", "dft")
    assert agl.coverage.coverage == pytest.approx(0.9, abs=0.08)
    assert dft.left_out.keys() == {"rocksalt", "other"}
    assert calibration_of("nobody", store) == []
    text = page(Results(read_evaluations(tmp_path / "results"), [agl, dft]))
    assert "| accurate | L96 | HH143 | all | 60 | 2 |" in text
    assert "not computed" in text and "| no |" not in text.split("## 90 %")[1]
    assert text == page(Results(read_evaluations(tmp_path / "results"), [agl, dft]))


def test_the_command_says_what_is_missing(tmp_path):
    run = CliRunner().invoke(
        app, ["benchmark", "--data", str(tmp_path), "--results", str(tmp_path / "r"), "--work", str(tmp_path / "w")]
    )
    assert run.exit_code == 1 and "l96.parquet is missing" in run.output
    run = CliRunner(env={"KAPPATUNE_DATA": ""}).invoke(app, ["benchmark", "--results", str(tmp_path / "r")])
    assert run.exit_code == 1 and "holds no result" in run.output


def test_the_command_makes_the_page_without_data(tmp_path, monkeypatch):
    monkeypatch.delenv("KAPPATUNE_DATA", raising=False)
    fill(Store(tmp_path / "r", tmp_path / "w"))
    out = tmp_path / "benchmark.md"
    run = CliRunner().invoke(app, ["benchmark", "--results", str(tmp_path / "r"), "--page", str(out)])
    assert run.exit_code == 0 and out.read_text().startswith("# Benchmark")
    assert "Does transfer help" not in out.read_text(), "no step has been computed"
