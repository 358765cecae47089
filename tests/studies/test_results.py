"""What is made of stored cells: comparisons, the answer to the paper's question, figures, the model card."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kappatune import KappaModel
from studies.transfer.comparisons import comparisons, split_kind
from studies.transfer.evaluations import Answered, Store, read_evaluations
from studies.transfer.figures import draw
from studies.transfer.model_card import model_card
from studies.transfer.page import goals, page
from studies.transfer.published import TESTS, published
from studies.transfer.replay import REPLAY, ReplayedRun
from studies.transfer.reproducibility import REPEATS, Repeat
from studies.transfer.results import Results, summarise
from studies.transfer.stored import write_stored


def answered(error: float, seed: int, n: int = 40) -> Answered:
    rng = np.random.default_rng(seed)
    truth = np.geomspace(0.5, 300, n)
    predicted = truth * np.exp(error * rng.standard_normal(n))
    names = [f"x{k}" for k in range(n)]
    formulas = [f"A{k}B" for k in range(n)]
    spread = np.full(n, 0.2)
    return Answered(names, formulas, ["rocksalt", "zincblende"] * (n // 2), truth, predicted, spread, np.full(n, 0.5))


@pytest.fixture
def store(tmp_path) -> Store:
    """Step II is much better than step I, and step III like step II."""
    kept = Store(tmp_path / "results", tmp_path / "work")
    for run in (1, 2):
        for step, error in (("step-1", 1.0), ("step-2", 0.2), ("step-3", 0.2)):
            kept.put("paper", step, "L96", "L96", f"run-{run}", answered(error, run), n_train=76, seconds=1.0)
            kept.put("paper", step, "L96", "AFLOW", f"run-{run}", answered(error, run), n_train=76, seconds=1.0)
    for model in ("accurate", "fast"):
        for split in ("formula-0", "formula-1", "anion-out", "family-out"):
            kept.put("grouped", model, "MIX", "MIX", split, answered(0.3, 5), n_train=190, seconds=1.0)
        kept.put("crabnet", model, "AFLOW", "AFLOW", "published", answered(0.3, 6), n_train=3000, seconds=1.0)
    return kept


@pytest.mark.parametrize(("split", "kind"), [("run-3", "run"), ("formula-0", "formula"), ("anion-out", "anion-out")])
def test_splits_of_a_kind_belong_together(split, kind):
    assert split_kind(split) == kind


def test_the_better_of_two_models_is_found_and_chance_is_not(store):
    found = {(c.first, c.second): c for c in comparisons(read_evaluations(store.results), store) if c.test == "L96"}
    better, same = found["step-1", "step-2"], found["step-2", "step-3"]
    assert better.n_splits == 2 and better.paired.n_formulas == 40
    assert better.paired.gain_interval[0] > 0 and better.paired.p_value < 1e-3
    assert same.paired.gain == 0 and same.paired.p_value == 1


def test_only_crystals_that_both_answer_for_are_compared(tmp_path):
    store = Store(tmp_path / "r", tmp_path / "w")
    whole, part = answered(0.5, 1), answered(0.1, 1)
    part = replace(
        part,
        ids=list(part.ids)[10:][::-1],
        formulas=list(part.formulas)[10:][::-1],
        groups=list(part.groups)[10:],
        **{key: getattr(part, key)[10:][::-1] for key in ("truth", "predicted", "spread", "distance")},
    )
    store.put("transfer", "fast", "L96", "HH143", "all", whole, n_train=95, seconds=1.0)
    store.put("transfer", "accurate", "L96", "HH143", "all", part, n_train=95, seconds=1.0)
    (found,) = comparisons(read_evaluations(store.results), store)
    expected = np.abs(np.log10(whole.predicted / whole.truth))[10:].mean()
    expected -= np.abs(np.log10(part.predicted / part.truth)).mean()
    assert found.paired.n_formulas == 30 and found.paired.gain == pytest.approx(expected)


def test_the_page_answers_the_question(store, tmp_path):
    summarise(store, ("accurate", "fast"))
    reported = [
        ReplayedRun(run=1, step="III", train="L96", test="L96", mape=0.34, honest_mape=1.2),
        ReplayedRun(run=2, step="III", train="L96", test="L96", mape=0.36, honest_mape=1.4),
    ]
    write_stored(store.results / REPLAY, reported)
    write_stored(store.results / REPEATS, [Repeat(cell="a", first=0.2, second=0.2, largest_difference=0.0)])
    results = Results.read(store.results)
    assert results.replayed == reported and len(results.calibrations) == 4
    text = page(results)
    assert "(step I to II)** helps: L96 to L96, L96 to AFLOW †." in text
    assert "(step II to III)** no difference shown: L96 to L96, L96 to AFLOW †." in text
    assert "| L96 | L96 | III | 2 | 0.35 | 0.34 | 1.30 |" in text
    assert "0.76 ± 0.29 (0.51)" in text, "the published table and files"
    assert "| a | 0.2000 | 0.2000 | 0.0e+00 |" in text
    drawn = draw(results, tmp_path / "figures")
    assert [path.name for path in drawn] == ["benchmark_steps.png", "benchmark_intervals.png"]
    assert all(f"figures/{path.name}" in text and path.stat().st_size > 10_000 for path in drawn)


def test_a_goal_is_judged_by_its_own_splits(store):
    rows = {line.split(" | ")[0]: line.split(" | ")[1:] for line in goals(read_evaluations(store.results)).splitlines()}
    asked, accurate, reached, _ = rows["| other families (here: each left out): mean abs log10 error"]
    assert asked == "≤ 0.28" and float(accurate) < 0.28 and reached == "yes"
    assert rows["| L96, by formula: MAPE"][1] == "not computed"


def test_published_figures_stand_for_the_matrix_they_come_from():
    mean, std, files = published("step-3", "L96", "L96")
    assert (mean, std, files) == (0.34, 0.15, 0.29)
    assert published("step-1", "AFLOW", "HH143").mean == 1.18
    assert published("step-3", "AFLOW", "L96") is None and published("step-3-seen", "L96", "L96") is None
    assert all(published("step-2", train, test).files is None for train in TESTS for test in TESTS if train != test)


def test_the_card_says_what_the_shipped_models_are(store):
    summarise(store, ("accurate", "fast"))
    cards = [KappaModel.load(name).card for name in ("accurate", "fast")]
    text = model_card(cards, Results.read(store.results))
    for card in cards:
        assert card.weights_sha256[:12] in text and f"{len(card.formulas['agl'])} (agl)" in text
    assert "Where not to trust" in text and "| accurate | dft | 0." in text
