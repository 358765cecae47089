from __future__ import annotations

import numpy as np
import pytest
import torch
import typer

from studies.phonix.curve_arms import ARMS, CHIEF_ARMS, Source, arms
from studies.phonix.curve_learners import ArmInputs, fit_and_predict, fit_network, fit_process, fit_trees
from studies.phonix.curve_models import before_any_stage, embedding, in_test_fold, physics_recipe, plain_recipe
from studies.phonix.curve_worth import LabelsWorth, worth_of
from studies.phonix.curves_section import Curves, curves_section, draw_curves
from studies.phonix.family_curves_section import FamilyCurves
from studies.phonix.learning_curves import SIZES, CurveCell, cell_name, curve_cell, sizes, split
from tests.studies.phonix.synthetic import synthetic_labels

ROWS = synthetic_labels().rows[:26]
FORMULAS = np.array([row.crystal.formula_key for row in ROWS])


def inputs_of(n=80, d=6, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, d))
    truth = values[:, 0] - 0.5 * values[:, 1] + 2.0
    return ArmInputs(torch.from_numpy(values), (range(d),), torch.zeros(n).double()), torch.from_numpy(truth)


def test_no_formula_is_both_learnt_and_tested():
    known, tested = split(ROWS)
    assert len(known) + len(tested) == len(ROWS) and len(tested)
    assert not set(FORMULAS[known]) & set(FORMULAS[tested])
    assert all(in_test_fold(formula) for formula in FORMULAS[tested])


def test_sizes_end_with_all_labels():
    assert sizes(1883) == (*SIZES, 1883) and sizes(60) == (25, 50, 60)


@pytest.mark.parametrize("learner", [fit_network, fit_process, fit_trees])
def test_learners_learn_and_see_no_tested_value(learner):
    inputs, truth = inputs_of()
    train, test = np.arange(60), np.arange(60, 80)
    names = np.array([f"A{k}" for k in range(80)])
    other = truth.clone()
    other[60:] += 7.0
    first, second = (fit_and_predict(inputs, learner, y, names, train, test, 1) for y in (truth, other))
    assert np.array_equal(first, second)
    error = np.abs(first - truth[60:].numpy()).mean()
    assert error < 0.6 * np.abs(truth[60:].numpy() - truth[:60].numpy().mean()).mean()


def test_far_from_all_labels_a_correction_is_added_to_its_base():
    inputs, truth = inputs_of()
    based = ArmInputs(inputs.values, inputs.groups, truth - 0.3)
    names = np.array([f"A{k}" for k in range(80)])
    predicted = fit_and_predict(based, fit_network, truth, names, np.arange(30), np.arange(60, 80), 1)
    assert predicted == pytest.approx(truth[60:].numpy(), abs=0.02)


def test_a_cell_learns_the_first_rows_of_its_draw():
    _, tested = split(ROWS)
    values = torch.from_numpy(np.random.default_rng(1).normal(size=(len(ROWS), 5)))
    inputs = ArmInputs(values, (range(5),), torch.zeros(len(ROWS)).double())
    cell = curve_cell("trees", inputs, ROWS, 10, 2)
    again = curve_cell("trees", inputs, ROWS, 10, 2)
    assert cell.name == cell_name("trees", 10, 2) == "trees, 00010, 2"
    assert (cell.n_tested, cell.mean_abs_log10) == (len(tested), again.mean_abs_log10)
    assert curve_cell("trees", inputs, ROWS, 10, 3).mean_abs_log10 != cell.mean_abs_log10


def test_a_host_before_any_stage_differs_with_its_weights():
    recipe = physics_recipe()
    assert recipe.stages[0].epochs == 30 and recipe.composition == "debye"
    plain = plain_recipe("megnet-mp-2018.6.1-log10K", pretrained=False)
    crystals = [row.crystal for row in ROWS[:3]]
    random = embedding(before_any_stage(plain), crystals)
    trained = embedding(before_any_stage(plain.model_copy(update={"pretrained": True})), crystals)
    assert random.shape == trained.shape == (3, random.shape[1]) and not torch.allclose(random, trained)


def cells_of(arm, errors_by_n):
    return [
        CurveCell(
            arm=arm,
            n=n,
            draw=draw,
            n_tested=10,
            mean_abs_log10=error + 0.001 * draw,
            bias_log10=0.0,
            spearman=None,
            seconds=0.0,
            date="2026-01-01",
            versions={},
        )
        for n, error in errors_by_n.items()
        for draw in range(1, 6)
    ]


def test_what_a_rung_is_worth_is_read_off_the_curve_without_it():
    without = cells_of("trees", {25: 0.4, 50: 0.35, 100: 0.3, 200: 0.25})
    with_rung = cells_of("trees-agl", {25: 0.3, 50: 0.25, 100: 0.22, 200: 0.25})
    worth = {w.n: w for w in worth_of(without + with_rung, "trees", "trees-agl")}
    assert worth[25] == LabelsWorth(
        n=25,
        labels=pytest.approx(100),
        low=pytest.approx(100),
        high=pytest.approx(100),
        at_least=pytest.approx(100),
        gain=pytest.approx(0.1),
        gain_low=pytest.approx(0.1),
        gain_high=pytest.approx(0.1),
        n_most=200,
    )
    assert worth[50].labels == pytest.approx(200)
    assert worth[100].labels is worth[100].at_least is None, "the other arm is never as good"
    assert worth[200].gain == pytest.approx(0.0) and not worth[200].is_seen and worth[25].is_seen


def test_the_section_says_what_is_stored_and_names_what_is_not(tmp_path):
    curve = {25: 0.4, 50: 0.35, 100: 0.3, 200: 0.25}
    gained = {n: error - 0.05 for n, error in curve.items()}
    cells = cells_of("trees", curve) + cells_of("trees-agl", gained) + cells_of("agl", {25: 0.3})
    curves = Curves(cells)
    assert curves.answer_the_question and curves.arms == ["trees", "trees-agl"]
    text = curves_section(curves, {"mean_abs_log10": 0.084}, FamilyCurves([]))
    assert "a hundred labels are worth 200 (200 to 200) for *trees*" in text and "all 200" in text
    assert "(mean error 0.253 against 0.303 with the same labels)" in text
    assert "Not computed yet: " in text and "*network, AGL*" in text.split("Not computed yet: ")[1]
    assert "more than all 200" in text.split("What N labels are worth")[1]
    assert "+0.050 (+0.050 to +0.050)" in text.split("Gain with the same N labels")[1]
    assert "family" not in text
    assert draw_curves(curves, tmp_path).stat().st_size > 10_000


def test_curves_without_two_arms_at_a_hundred_labels_answer_nothing():
    assert not Curves([]).answer_the_question
    assert not Curves(cells_of("trees", {100: 0.3})).answer_the_question
    assert not Curves(cells_of("trees", {25: 0.3}) + cells_of("trees-agl", {25: 0.2})).answer_the_question


@pytest.mark.parametrize(
    ("gained_at", "sentence"),
    [
        ((), "no gain is seen at any N"),
        ((25, 50), "beyond 50 labels no gain is seen"),
        ((25, 50, 100, 200), "the gain is still seen with all 200"),
        ((50, 200), "a gain is seen at N = 50 and 200, at no other N"),
    ],
)
def test_a_sentence_says_with_which_numbers_of_labels_a_gain_is_seen(gained_at, sentence):
    curve = {25: 0.4, 50: 0.35, 100: 0.3, 200: 0.25}
    other = {n: error - 0.05 * (n in gained_at) for n, error in curve.items()}
    curves = Curves(cells_of("nothing", curve) + cells_of("agl", other))
    assert f"and {sentence}." in curves_section(curves, {"mean_abs_log10": 0.084}, FamilyCurves([]))


def test_where_some_draws_need_more_than_all_labels_the_mean_is_a_least_one():
    without = cells_of("nothing", {25: 0.4, 50: 0.35, 100: 0.3, 200: 0.25})
    other = cells_of("agl", {25: 0.4, 50: 0.35, 100: 0.3, 200: 0.25})
    lucky = next(k for k, cell in enumerate(other) if (cell.n, cell.draw) == (100, 1))
    other[lucky] = other[lucky].model_copy(update={"mean_abs_log10": 0.1})
    worth = next(w for w in worth_of(without + other, "nothing", "agl") if w.n == 100)
    assert worth.labels is None and worth.at_least == pytest.approx(100 * 2**0.2)
    text = curves_section(Curves(without + other), {"mean_abs_log10": 0.084}, FamilyCurves([]))
    assert "For *network, AGL* a hundred labels are worth at least 110 for" in text


def test_a_loss_is_said():
    curve = {25: 0.4, 50: 0.35, 100: 0.3, 200: 0.25}
    curves = Curves(cells_of("nothing", curve) + cells_of("agl", curve | {25: 0.3, 200: 0.27}))
    text = curves_section(curves, {"mean_abs_log10": 0.084}, FamilyCurves([]))
    assert "and beyond 25 labels no gain is seen; at N = 200 it is worse." in text


def test_inputs_are_made_again_if_other_formulas_are_tested(tmp_path):
    folds = Source(ROWS, tmp_path, tmp_path, in_test_fold)
    one = Source(ROWS, tmp_path, tmp_path, frozenset([FORMULAS[0]]).__contains__)
    assert folds.inputs_folder != one.inputs_folder == Source(ROWS, tmp_path, tmp_path, one.is_tested).inputs_folder


def test_arms_that_do_not_exist_are_named():
    assert arms(None) == list(ARMS) and arms(["trees"]) == ["trees"]
    assert arms(None, CHIEF_ARMS) == list(CHIEF_ARMS) and arms(["moduli"], CHIEF_ARMS) == ["moduli"]
    with pytest.raises(typer.BadParameter, match="no arm is called tree; there are trees,"):
        arms(["tree"])
