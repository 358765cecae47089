"""Intervals of rungs that a user trains: calibrated on own values, with what the start model promised."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kappatune.demo import agl_rung_of
from kappatune.model.intervals import IntervalCalibration
from kappatune.model.kappa_model import KappaModel
from kappatune.storage import SHIPPED_TABLES
from kappatune.structures import LabelledTable
from kappatune.structures.table import read_table
from kappatune.training import train
from kappatune.training.calibration import SMALLEST_CALIBRATION, calibrated
from kappatune.training.conformal import START_WEIGHT, Errors, Widths, blended_widths
from kappatune.training.stage import split_by_formula
from tests.training.tiny import DEBYE_COLUMNS, recipe, stage, tables, tiny_table, weights_of

START = IntervalCalibration(level=0.9, factor=2.0, factor_outside=3.0, floor_ln=0.3, n=100, date="2026-01-01")
PROMISED = Widths(START.floor_ln, START.factor, START.factor_outside)
TREES = {"name": "dft", "fidelity": "dft", "learner": "trees"}
OWN = {"name": "own", "learner": "trees"}


def errors(size: float, n: int, seed: int = 0) -> Errors:
    """Normal errors of ln kappa, of a model that reports no spread."""
    return Errors(size * np.random.default_rng(seed).standard_normal(n), np.zeros(n), np.zeros(n, dtype=bool))


def names(n: int) -> list[str]:
    return [f"A{k}" for k in range(n)]


def test_without_own_errors_the_start_models_widths_stand():
    assert blended_widths(errors(1.0, 0), PROMISED, 0.9) == pytest.approx(PROMISED)


def test_few_errors_widen_soon_and_narrow_slowly_many_decide():
    small, large = (blended_widths(errors(size, 8), PROMISED, 0.9).factor for size in (0.01, 3.0))
    assert 1.7 < small <= 2.0 and large > 5.0
    many = blended_widths(errors(0.06, 1000), PROMISED, 0.9)
    assert many.factor * START.floor_ln == pytest.approx(1.645 * 0.06, rel=0.2)
    assert many.factor_outside == pytest.approx(START.factor_outside)


def test_errors_on_known_formulas_widen_but_never_narrow():
    known = np.ones(200, dtype=bool)
    easy = calibrated(errors(0.01, 200), names(200), known, START)
    assert (easy.factor, easy.n, easy.coverage, easy.kind) == (pytest.approx(2.0), 0, None, "partly calibrated")
    hard = calibrated(errors(3.0, 200), names(200), known, START)
    assert hard.factor > 5.0 and hard.n == 0


def test_a_rung_without_start_needs_own_formulas():
    unknown = np.zeros(40, dtype=bool)
    same = ["A"] * 40
    assert calibrated(errors(1.0, 40), same, unknown, None) is None
    few = SMALLEST_CALIBRATION - 1
    assert calibrated(errors(1.0, few), names(few), unknown[:few], None) is None
    found = calibrated(errors(1.0, 40), names(40), unknown, None)
    assert (found.kind, found.n, found.n_start) == ("calibrated", 40, 0)
    assert found.coverage == pytest.approx(0.9, abs=0.1)
    assert found.width == pytest.approx(np.exp(1.645), rel=0.5)


def test_the_kind_says_when_own_values_are_few():
    unknown = np.zeros(START_WEIGHT, dtype=bool)
    enough = calibrated(errors(0.5, START_WEIGHT), names(START_WEIGHT), unknown, START)
    few = calibrated(errors(0.5, START_WEIGHT - 1), names(START_WEIGHT - 1), unknown[:-1], START)
    assert (enough.kind, few.kind) == ("calibrated", "partly calibrated")
    of_one_formula = calibrated(errors(0.5, START_WEIGHT), ["A"] * START_WEIGHT, unknown, START)
    assert (of_one_formula.n, of_one_formula.n_formulas) == (START_WEIGHT, 1)
    assert of_one_formula.kind == "partly calibrated"
    assert few.n_start == START_WEIGHT


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> KappaModel:
    steps = recipe(stage("agl", properties=DEBYE_COLUMNS), TREES, composition="debye", seeds=[3, 4])
    half = lambda s: [replace(t, rows=t.rows[::2]) for t in tables(s)]  # noqa: E731
    return train(steps, half, tmp_path_factory.mktemp("start") / "model")


def own_table(noise: float = 0.0) -> LabelledTable:
    """Values three times as high; half of the formulas the start model has learnt."""
    table = tiny_table("experiment", 3.0)
    draw = np.random.default_rng(1)
    return replace(table, rows=[replace(r, kappa=r.kappa * np.exp(noise * draw.standard_normal())) for r in table.rows])


@pytest.fixture(scope="module")
def out(start, tmp_path_factory) -> Path:
    """Folder of a model that was fine-tuned on own values."""
    folder = tmp_path_factory.mktemp("tuned") / "model"
    train(recipe(OWN, start="x"), own_table(), folder, start=start)
    return folder


def test_trees_are_calibrated_on_formulas_that_they_have_not_seen(start):
    assert start.card.calibration.keys() == {"dft"}, "the agl rung is learnt by gradient"
    found = start.card.calibration["dft"]
    assert (found.n, found.kind) == (12, "calibrated") and found.coverage > 0.5 and found.width > 1
    assert start.card.domain_share.keys() == {"agl", "dft"}


def test_a_finetuned_rung_is_calibrated_and_the_others_keep_theirs(start, out):
    tuned = KappaModel.load(out)
    assert tuned.card.calibration.keys() == {"dft", "experiment"}
    assert tuned.card.calibration["dft"] == start.card.calibration["dft"]
    own = tuned.card.calibration["experiment"]
    assert (own.n, own.n_start, own.kind) == (12, START_WEIGHT, "partly calibrated")
    assert own.floor_ln == start.card.calibration["dft"].floor_ln
    assert tuned.domains["experiment"].limit == start.domains["dft"].limit


def test_noise_that_the_trees_cannot_learn_is_in_the_interval(start, out):
    noisy = train(recipe(OWN, start="x"), own_table(2.0), start=start)
    quiet = KappaModel.load(out)
    crystal = own_table().rows[0].crystal
    narrow, wide = (np.log(r.upper_w_mk / r.lower_w_mk) for m in (quiet, noisy) for r in m.predict([crystal]))
    assert wide > 2 * narrow


@pytest.mark.parametrize("lost", ["run/member-2", "run/member-1/own/held_out.safetensors"])
def test_a_killed_finetuning_ends_with_the_same_model(start, out, tmp_path, lost):
    shutil.copytree(out, tmp_path / "killed")
    (tmp_path / "killed" / "card.json").unlink()
    if lost == "run/member-2":
        shutil.rmtree(tmp_path / "killed" / lost)
    else:  # a run of kappatune 0.2.0 has no such file
        (tmp_path / "killed" / lost).unlink()
    again, whole = (
        train(recipe(OWN, start="x"), own_table(), tmp_path / "killed", start=start, resume=True),
        KappaModel.load(out),
    )
    assert all(np.array_equal(value, weights_of(again)[name]) for name, value in weights_of(whole).items())
    assert again.card.calibration == whole.card.calibration
    assert again.card.domain_limit == whole.card.domain_limit


@pytest.mark.slow
def test_intervals_hold_textbook_values_that_were_not_trained_on():
    """One of the five splits of `studies.transfer.finetune_coverage`, from a start that knows no measured value."""
    table = read_table(Path(SHIPPED_TABLES["shipped:textbook"]))
    learnt, asked = split_by_formula([row.crystal.formula for row in table.rows], 1 / 3, seed=0)
    start = agl_rung_of(KappaModel.load("fast"))
    tuned = train("finetune", replace(table, rows=[table.rows[k] for k in learnt]), start=start)
    rows = [table.rows[k] for k in asked]
    found = tuned.predict([row.crystal for row in rows])
    held = [one.lower_w_mk <= row.kappa <= one.upper_w_mk for one, row in zip(found, rows, strict=True)]
    assert np.mean(held) >= 0.8
    assert tuned.card.calibration[tuned.default_fidelity].kind == "calibrated"
