from __future__ import annotations

import numpy as np
import pytest

from studies.phonix.evaluations import ALL_SETS, evaluations
from studies.phonix.intervals import CALIBRATED_ON, LabelErrors
from studies.phonix.predictions import cross_validate, rows_tested
from studies.phonix.simple import AglWithConstant
from studies.phonix.splits import PROTOCOLS, LabelSplit, family_splits, formula_splits
from studies.transfer.learners import LearnerOutput
from tests.studies.phonix.synthetic import synthetic_labels

LABELS = synthetic_labels()
N = len(LABELS.rows)


class OffBy:
    """Predicts the truth times a factor, and counts how often it is asked."""

    def __init__(self, ln_factor: float, spread: float = 0.1) -> None:
        self.ln_factor, self.spread, self.asked = ln_factor, spread, 0

    def __call__(self, train, test) -> LearnerOutput:
        self.asked += 1
        n = len(test)
        return LearnerOutput(np.log(LABELS.kappa[test]) + self.ln_factor, np.full(n, self.spread), np.full(n, 0.5))


def predicted(learner, folder, splits):
    return cross_validate(lambda: learner, list(splits), N, folder)


def test_a_killed_run_repeats_no_split_and_keeps_its_seconds(tmp_path):
    learner = OffBy(0.3)
    first = predicted(learner, tmp_path, formula_splits(LABELS))
    again = cross_validate(pytest.fail, list(formula_splits(LABELS)), N, tmp_path)
    assert learner.asked == len(first.splits) == 5
    assert np.array_equal(first.output.ln_kappa, again.output.ln_kappa) and np.isfinite(first.output.ln_kappa).all()
    assert first.seconds == again.seconds > 0


def test_a_split_of_other_rows_is_computed_again(tmp_path):
    split = next(iter(formula_splits(LABELS)))
    less = LabelSplit(split.protocol, split.part, split.train[1:], split.test, split.unseen)
    learner = OffBy(0.3)
    predicted(learner, tmp_path, [split])
    predicted(learner, tmp_path, [less])
    assert learner.asked == 2


def test_textbook_values_are_tested_by_formula_and_are_no_dft_set(tmp_path):
    found = {
        e.tested: e.metrics
        for e in evaluations(
            "m", "formula", LABELS, predicted(OffBy(np.log(2.5)), tmp_path, formula_splits(LABELS)), seed=1
        )
    }
    assert {name: m.n for name, m in found.items()} == {"Phonix": 26, "L96": 3, "HH143": 1, "textbook": 2, ALL_SETS: 30}
    assert found["textbook"].within_2 == 0.0 and found["textbook"].below_3_within_3 is None
    assert found["Phonix"].below_3 == (LABELS.kappa[:26] < 3).sum() and found["Phonix"].below_3_within_3 == 1.0
    assert found["Phonix"].intervals is None


def test_intervals_of_a_split_know_no_prediction_of_its_formulas(tmp_path):
    """All errors are small but those of one formula: its own interval does not hold it, nor is it widened by it."""

    def one_is_worse(train, test):
        off = np.where(LABELS.formulas[test] == "NaCl", 5.0, 0.1)
        return LearnerOutput(np.log(LABELS.kappa[test]) + off, np.full(len(test), 0.1), np.full(len(test), 0.5))

    protocols = {name: PROTOCOLS[name](LABELS) for name in CALIBRATED_ON} | {"family": family_splits(LABELS, 4)}
    of_protocol = {name: predicted(one_is_worse, tmp_path / name, splits) for name, splits in protocols.items()}
    errors = LabelErrors(LABELS, of_protocol)
    half = errors.half_widths(of_protocol["formula"])
    is_nacl = LABELS.formulas == "NaCl"
    assert np.isfinite(half).all() and half[is_nacl].max() == pytest.approx(0.1, rel=0.01)
    (evaluation,) = (
        e
        for e in evaluations("m", "formula", LABELS, of_protocol["formula"], half_widths=1.01 * half, seed=1)
        if e.tested == ALL_SETS
    )
    assert evaluation.metrics.intervals is not None
    assert evaluation.metrics.intervals.coverage == pytest.approx(1 - is_nacl.sum() / 30)


def test_the_calibration_counts_each_crystal_once_and_names_the_anions(tmp_path):
    protocols = {name: list(PROTOCOLS[name](LABELS)) for name in CALIBRATED_ON}
    learner = OffBy(0.2)
    errors = LabelErrors(
        LABELS, {name: predicted(learner, tmp_path / name, splits) for name, splits in protocols.items()}
    )
    found = errors.calibration("m")
    assert found.name == "m dft" and found.calibration.n == N
    assert found.coverage.n == found.coverage.n_predictions == N and found.coverage.coverage == 1.0
    assert set(found.left_out) == {split.part for split in protocols["anion"]}
    assert "hold 1.000" in found.summary


def test_a_constant_is_fitted_to_the_training_rows_alone():
    kappa = np.array([1.0, 2.0, 4.0, 100.0])
    learner = AglWithConstant(np.zeros(4), kappa)
    assert np.exp(learner(np.arange(3), np.array([3])).ln_kappa) == pytest.approx(2.0)
    assert np.array_equal(rows_tested(cross_validate(lambda: OffBy(0.0), [], N, None)), [])
