"""The rung `experiment`: measured values of textbook crystals and Heuslers, each predicted without its formula."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kappatune.model.folds import Rows
from studies.phonix.evaluations import PhonixEvaluation, evaluation_of
from studies.phonix.intervals import errors_of
from studies.phonix.labels import HEUSLERS, TEXTBOOK, DftLabels
from studies.phonix.predictions import ProtocolPredictions, rows_tested
from studies.phonix.splits import LabelSplit, formula_splits
from studies.store import today
from studies.transfer.calibrate import LEVEL, calibrate, cross_coverage, fold_half_widths
from studies.transfer.intervals import CalibrationResult
from studies.transfer.learners import CorrectedEnsemble, LearnerOutput

RUNG = "experiment"
MEASURED_SETS = (TEXTBOOK, HEUSLERS)
ALL_MEASURED = "all measured"


class AboveDft:
    """A recipe's rungs `dft` and `experiment`, the latter fitted to measured values and predicted."""

    def __init__(self, ensemble: CorrectedEnsemble, labels: DftLabels) -> None:
        """Of an ensemble on all labels, the measured values of Heuslers among them."""
        self._ensemble, self._set_of = ensemble, labels.set_of

    def __call__(self, train: Rows, test: Rows) -> LearnerOutput:
        """Fit both rungs, predict the upper one; the lower one does not learn the values of Heuslers."""
        of_train = self._set_of[train]
        measured = train[np.isin(of_train, MEASURED_SETS)]
        return self._ensemble.above(train[of_train != HEUSLERS], measured, test)


def measured_splits(labels: DftLabels) -> Iterator[LabelSplit]:
    """Five folds by formula that test measured values alone; no rung learns any value of a tested formula."""
    for split in formula_splits(labels):
        test = split.test[np.isin(labels.set_of[split.test], MEASURED_SETS)]
        yield LabelSplit("formula", split.part, split.train, test, split.unseen)


def measured_results(
    model: str, labels: DftLabels, predicted: ProtocolPredictions, seed: int
) -> Iterator[PhonixEvaluation | CalibrationResult]:
    """Errors of the rung on each measured set, and the calibration of its intervals."""
    rows = rows_tested(predicted)
    errors = errors_of(labels, predicted, rows)
    half = np.full(len(labels.rows), np.nan)
    half[rows] = fold_half_widths(errors, [], LEVEL)
    sets = {name: rows[labels.set_of[rows] == name] for name in MEASURED_SETS} | {ALL_MEASURED: rows}
    for tested, of_set in sets.items():
        yield evaluation_of(f"{model} {RUNG}", "formula", tested, labels, predicted, of_set, half, seed)
    yield CalibrationResult(
        model=model,
        fidelity=RUNG,
        calibration=calibrate(errors, [], date=today()),
        coverage=cross_coverage(errors, [], labels.kappa[rows], labels.set_of[rows].tolist()),
        left_out={},
    )
