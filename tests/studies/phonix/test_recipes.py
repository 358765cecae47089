from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from kappatune.structures.table import LabelledTable
from kappatune.training.recipe import read_recipe
from studies.phonix.agl_rung import AglEvaluation, AglPredictions
from studies.phonix.evaluations import PhonixEvaluation
from studies.phonix.measured import AboveDft, measured_splits
from studies.phonix.predictions import cross_validate
from studies.phonix.recipe_study import RecipeStudy
from studies.phonix.recipes import results_of
from studies.phonix.splits import PROTOCOLS, family_splits
from studies.transfer.intervals import CalibrationResult
from studies.transfer.learners import LearnerOutput
from tests.studies.phonix.made_up_results import LABELS, MEASURED, Noisy


def made_up_study(folder, rungs=("agl", "dft", "experiment")) -> SimpleNamespace:
    """A recipe whose predictions are invented."""
    truth = np.log(LABELS.kappa)

    def predicted(kind, protocol):
        splits = list(family_splits(LABELS, 4) if protocol == "family" else PROTOCOLS[protocol](LABELS))
        return cross_validate(lambda: Noisy(0.3), splits, len(truth), folder / kind / protocol)

    agl = AglPredictions(truth + 0.2, np.full(len(truth), 0.3), np.full(len(truth), 0.5), np.array(1.0), np.array(7))
    splits = list(measured_splits(MEASURED))
    return SimpleNamespace(
        recipe=SimpleNamespace(name="m", seeds=(1,), stages=[SimpleNamespace(fidelity=rung) for rung in rungs]),
        labels=LABELS,
        measured=MEASURED,
        agl_rows=LABELS.rows,
        agl_predictions=agl,
        predicted=predicted,
        predicted_measured=cross_validate(lambda: Noisy(0.3, MEASURED), splits, len(MEASURED.rows), folder / "upper"),
    )


def test_all_protocols_give_errors_intervals_and_calibrations_of_both_rungs(tmp_path):
    found = list(results_of(made_up_study(tmp_path, ("agl", "dft")), list(PROTOCOLS)))
    evaluations = [one for one in found if isinstance(one, PhonixEvaluation)]
    assert {one.protocol for one in evaluations} == set(PROTOCOLS)
    assert {one.model for one in evaluations} == {"m dft", "m trees", "m agl and one constant"}
    assert all((one.metrics.intervals is not None) == (one.model == "m dft") for one in evaluations)
    assert [one.name for one in found if isinstance(one, CalibrationResult)] == ["m agl", "m dft"]
    assert [one.n for one in found if isinstance(one, AglEvaluation)] == [len(LABELS.rows)]
    assert len({one.name for one in evaluations}) == len(evaluations)


def test_without_the_protocols_of_the_calibration_there_are_no_intervals(tmp_path):
    found = list(results_of(made_up_study(tmp_path), ["formula"]))
    of_dft = [one for one in found if isinstance(one, PhonixEvaluation) and not one.model.endswith("experiment")]
    assert of_dft and all(one.metrics.intervals is None for one in of_dft)
    assert [one.name for one in found if isinstance(one, CalibrationResult)] == ["m agl", "m experiment"]
    measured = {one.tested: one.metrics for one in found if one.name.startswith("m experiment, formula")}
    assert {name: m.n for name, m in measured.items()} == {"textbook": 2, "measured Heuslers": 12, "all measured": 14}


class AskedFor:
    """An ensemble that remembers which rows its rungs learn."""

    def above(self, train, measured, test):
        self.train, self.measured = train, measured
        return LearnerOutput(*(np.zeros(len(test)) for _ in range(3)))


def test_measured_values_of_a_formula_are_learnt_by_no_rung_when_it_is_tested_and_heuslers_by_the_upper_alone():
    ensemble = AskedFor()
    learner = AboveDft(ensemble, MEASURED)
    tested = []
    for split in measured_splits(MEASURED):
        learner(split.train, split.test)
        for learnt in (ensemble.train, ensemble.measured):
            assert not set(MEASURED.formulas[learnt]) & set(MEASURED.formulas[split.test])
        assert set(MEASURED.set_of[ensemble.train]) <= {"Phonix", "L96", "HH143", "textbook"}
        assert set(MEASURED.set_of[ensemble.measured]) == {"textbook", "measured Heuslers"}
        tested += MEASURED.set_of[split.test].tolist()
    assert sorted(tested) == ["measured Heuslers"] * 12 + ["textbook"] * 2


def test_the_agl_rung_is_asked_for_rows_that_no_member_has_seen(tmp_path):
    recipe = read_recipe("accurate")
    study = RecipeStudy(recipe, LABELS, LABELS, LabelledTable("agl", LABELS.rows[:4], [], ""), tmp_path)
    assert [row.crystal.id for row in study.agl_rows] == [row.crystal.id for row in LABELS.rows[:4]]
    assert study.member_folders[0] == tmp_path / "accurate" / "agl-1"
    other = recipe.model_copy(update={"seeds": (4, 5, 6)})
    again = RecipeStudy(other, LABELS, LABELS, LabelledTable("agl", [], [], ""), tmp_path)
    assert again.predictions != study.predictions
