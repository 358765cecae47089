"""What is made of stored evaluations: comparisons, the answer to the paper's question, figures, the model card."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from studies.shipped_models import MODELS
from studies.store import load_result
from studies.transfer.benchmark_page import benchmark_page
from studies.transfer.comparisons import comparisons, split_kind
from studies.transfer.evaluations import EvaluationKey, EvaluationStore, Predictions
from studies.transfer.figures import draw
from studies.transfer.goals import goals_table
from studies.transfer.published import TESTS, published
from studies.transfer.recipes import ACCURATE, FAST, RECIPES, recipe_0_1
from studies.transfer.replay import ReplayedRun
from studies.transfer.reproducibility import Repeat
from studies.transfer.results import TransferResults, summarise


def predictions(error: float, seed: int, n: int = 40) -> Predictions:
    rng = np.random.default_rng(seed)
    truth = np.geomspace(0.5, 300, n)
    predicted = truth * np.exp(error * rng.standard_normal(n))
    names = [f"x{k}" for k in range(n)]
    formulas = [f"A{k}B" for k in range(n)]
    spread = np.full(n, 0.2)
    families = ["rocksalt", "zincblende"] * (n // 2)
    return Predictions(names, formulas, families, truth, predicted, spread, np.full(n, 0.5))


@pytest.fixture
def store(tmp_path) -> EvaluationStore:
    """Step II is much better than step I, and step III like step II."""
    filled = EvaluationStore(tmp_path / "results.jsonl", tmp_path / "work")
    for run in (1, 2):
        for step, error in (("step-1", 1.0), ("step-2", 0.2), ("step-3", 0.2)):
            for test in ("L96", "AFLOW"):
                key = EvaluationKey("paper", step, "L96", test, f"run-{run}")
                filled.add(key, predictions(error, run), n_train=76, seconds=1.0)
    for model in RECIPES:
        for split in ("formula-0", "formula-1", "anion-out", "family-out"):
            key = EvaluationKey("grouped", model, "MIX", "MIX", split)
            filled.add(key, predictions(0.3, 5), n_train=190, seconds=1.0)
        key = EvaluationKey("crabnet", model, "AFLOW", "AFLOW", "published")
        filled.add(key, predictions(0.3, 6), n_train=3000, seconds=1.0)
    return filled


@pytest.mark.parametrize(("split", "kind"), [("run-3", "run"), ("formula-0", "formula"), ("anion-out", "anion-out")])
def test_splits_of_a_kind_belong_together(split, kind):
    assert split_kind(split) == kind


def test_the_better_of_two_models_is_found_and_chance_is_not(store):
    found = {(c.first, c.second): c for c in comparisons(store) if c.test == "L96"}
    better, same = found["step-1", "step-2"], found["step-2", "step-3"]
    assert better.n_splits == 2 and better.paired.n_formulas == 40
    assert better.paired.gain_interval[0] > 0 and better.paired.p_value < 1e-3
    assert same.paired.gain == 0 and same.paired.p_value == 1


@pytest.mark.parametrize("name", RECIPES)
def test_the_recipes_of_version_0_1_are_what_the_pages_say(name):
    recipe = recipe_0_1(name)
    agl, dft = recipe.stages
    assert recipe.name == name and recipe.seeds == (1, 2, 3, 4, 5) and agl.data == ("aflow_agl.parquet",)
    assert (agl.learner, agl.volume_strain, agl.epochs) == ("gradient", 0, 30)
    assert (dft.learner, dft.volume_strain, dft.joined) == ("trees", 0, ("experiment",))
    assert dft.data == ("l96.parquet", "hh143.parquet", "shipped:textbook")


def test_stored_results_are_of_recipes_that_stay():
    results = TransferResults.read()
    names = {e.model for e in results.evaluations} | {c.model for c in results.calibrations}
    names |= {name for c in results.comparisons for name in (c.first, c.second)}
    assert set(RECIPES) <= names and not names & set(MODELS)
    stored = {e.name for e in results.evaluations}
    assert {repeat.evaluation for repeat in results.repeats} <= stored
    for e in results.evaluations:
        if e.model in RECIPES and "seeds" in e.details:
            recipe, (first, *_) = recipe_0_1(e.model), e.details["stage"]
            assert e.details["seeds"] == list(recipe.seeds[: len(e.details["seeds"])])
            assert first["epochs"] == recipe.stages[0].epochs


def test_only_crystals_that_both_predict_are_compared(tmp_path):
    store = EvaluationStore(tmp_path / "r.jsonl", tmp_path / "w")
    whole, part = predictions(0.5, 1), predictions(0.1, 1)
    part = replace(
        part,
        ids=list(part.ids)[10:][::-1],
        formulas=list(part.formulas)[10:][::-1],
        groups=list(part.groups)[10:],
        **{key: getattr(part, key)[10:][::-1] for key in ("truth", "predicted", "spread", "distance")},
    )
    for model, found in ((FAST, whole), (ACCURATE, part)):
        store.add(EvaluationKey("transfer", model, "L96", "HH143", "all"), found, n_train=95, seconds=1.0)
    (comparison,) = comparisons(store)
    expected = np.abs(np.log10(whole.predicted / whole.truth))[10:].mean()
    expected -= np.abs(np.log10(part.predicted / part.truth)).mean()
    assert comparison.paired.n_formulas == 30 and comparison.paired.gain == pytest.approx(expected)


def test_the_page_answers_the_question(store, tmp_path):
    summarise(store, RECIPES)
    reported = [
        ReplayedRun(run=1, step="III", train="L96", test="L96", mape=0.34, honest_mape=1.2),
        ReplayedRun(run=2, step="III", train="L96", test="L96", mape=0.36, honest_mape=1.4),
    ]
    store.records.add(*reported)
    store.records.add(Repeat(evaluation="a", first=0.2, second=0.2, largest_difference=0.0))
    results = TransferResults.read(tmp_path / "results.jsonl")
    assert results.replayed == reported and len(results.calibrations) == 4
    text = benchmark_page(results, load_result("labels"))
    assert "how good today's shipped models are" in text.split("## ")[0]
    assert text.startswith("# Benchmark\n") and "`python -m studies.pages benchmark`" in text
    assert "(step I to II).** Lower error: L96 to L96, L96 to AFLOW †." in text
    assert "(step II to III).** No difference shown: L96 to L96 (0.00), L96 to AFLOW † (0.00)." in text
    assert "| L96 | L96 | III | 2 | 0.35 | 0.34 | 1.30 |" in text
    assert "0.76 ± 0.29 (0.51)" in text, "the published table and files"
    assert "| a | 0.2000 | 0.2000 | 0.0e+00 |" in text
    drawn = draw(results, tmp_path / "figures")
    assert [path.name for path in drawn] == ["benchmark_steps.png", "benchmark_intervals.png"]
    assert all(f"figures/{path.name}" in text and path.stat().st_size > 10_000 for path in drawn)


def test_a_goal_is_compared_with_its_own_splits(store):
    rows = {line.split(" | ")[0]: line.split(" | ")[1:] for line in _goals(store).splitlines()}
    accurate, _, noise, limit, met = rows["| other families (here: each left out): mean abs log10 error"]
    assert limit == "≤ 0.28" and float(accurate) < 0.28 and met == "yes |"
    assert noise == "L96 0.125, HH143 0.172"
    assert rows["| L96, by formula: MAPE"] == ["not computed", "not computed", "0.229", "withdrawn", "– |"]


def _goals(store: EvaluationStore) -> str:
    return goals_table(store.evaluations(), load_result("labels")["agreement"])


def test_published_errors_belong_to_the_step_and_sets_they_come_from():
    mean, std, files = published("step-3", "L96", "L96")
    assert (mean, std, files) == (0.34, 0.15, 0.29)
    assert published("step-1", "AFLOW", "HH143").mean == 1.18
    assert published("step-3", "AFLOW", "L96") is None and published("step-3-seen", "L96", "L96") is None
    assert all(published("step-2", train, test).files is None for train in TESTS for test in TESTS if train != test)


def test_results_stay_where_the_work_folder_lacks_the_predictions(store, tmp_path):
    summarise(store, RECIPES)
    before = (tmp_path / "results.jsonl").read_text(encoding="utf-8")
    summarise(EvaluationStore(tmp_path / "results.jsonl", tmp_path / "another"), RECIPES)
    assert (tmp_path / "results.jsonl").read_text(encoding="utf-8") == before
