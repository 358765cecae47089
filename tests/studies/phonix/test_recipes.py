from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from kappatune.structures.table import LabelledTable
from kappatune.training.recipe import read_recipe
from studies.phonix.agl_rung import AglEvaluation, AglPredictions
from studies.phonix.evaluations import PhonixEvaluation
from studies.phonix.predictions import cross_validate
from studies.phonix.recipe_study import RecipeStudy
from studies.phonix.recipes import results_of
from studies.phonix.splits import PROTOCOLS, family_splits
from studies.transfer.intervals import CalibrationResult
from tests.studies.phonix.made_up_results import LABELS, Noisy


def made_up_study(folder) -> SimpleNamespace:
    """A recipe whose predictions are invented."""
    truth = np.log(LABELS.kappa)

    def predicted(kind, protocol):
        splits = list(family_splits(LABELS, 4) if protocol == "family" else PROTOCOLS[protocol](LABELS))
        return cross_validate(lambda: Noisy(0.3), splits, len(truth), folder / kind / protocol)

    agl = AglPredictions(truth + 0.2, np.full(len(truth), 0.3), np.full(len(truth), 0.5), np.array(1.0), np.array(7))
    recipe = SimpleNamespace(name="m", seeds=(1,))
    return SimpleNamespace(recipe=recipe, labels=LABELS, agl_rows=LABELS.rows, agl_predictions=agl, predicted=predicted)


def test_all_protocols_give_errors_intervals_and_calibrations_of_both_rungs(tmp_path):
    found = list(results_of(made_up_study(tmp_path), list(PROTOCOLS)))
    evaluations = [one for one in found if isinstance(one, PhonixEvaluation)]
    assert {one.protocol for one in evaluations} == set(PROTOCOLS)
    assert {one.model for one in evaluations} == {"m dft", "m trees", "m agl and one constant"}
    assert all((one.metrics.intervals is not None) == (one.model == "m dft") for one in evaluations)
    assert [one.name for one in found if isinstance(one, CalibrationResult)] == ["m agl", "m dft"]
    assert [one.n for one in found if isinstance(one, AglEvaluation)] == [len(LABELS.rows)]
    assert len({one.name for one in evaluations}) == len(evaluations)


def test_without_the_protocols_of_the_calibration_there_are_no_intervals(tmp_path):
    found = list(results_of(made_up_study(tmp_path), ["formula"]))
    assert all(one.metrics.intervals is None for one in found if isinstance(one, PhonixEvaluation))
    assert [one.name for one in found if isinstance(one, CalibrationResult)] == ["m agl"]


def test_the_agl_rung_is_asked_for_rows_that_no_member_has_seen(tmp_path):
    recipe = read_recipe("studies/phonix/fast-next.yaml")
    study = RecipeStudy(recipe, LABELS, LabelledTable("agl", LABELS.rows[:4], [], ""), tmp_path)
    assert [row.crystal.id for row in study.agl_rows] == [row.crystal.id for row in LABELS.rows[:4]]
    assert study.member_folders[0] == tmp_path / "fast-next" / "agl-1"
    other = recipe.model_copy(update={"seeds": (4, 5, 6)})
    again = RecipeStudy(other, LABELS, LabelledTable("agl", [], [], ""), tmp_path)
    assert again.predictions != study.predictions
