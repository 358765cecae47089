"""Calibration of a model's intervals from stored evaluations, and their coverage."""

from __future__ import annotations

from typing import Literal

import numpy as np

from kappatune.model.intervals import IntervalCalibration
from studies.store import Record, today
from studies.transfer.calibrate import Coverage, NamedErrors, calibrate, coverage_of, cross_coverage, together
from studies.transfer.evaluations import EvaluationKey, EvaluationStore, Predictions
from studies.transfer.splits import bonding_kind

_DFT = ("formula-0", "formula-1", "anion-out")
"""Splits of both DFT sets together whose errors set the width on `dft`: new formulas and new anions."""

_FAMILY_OUT = "family-out"
"""The split with each family left out, whose errors set the width outside the domain."""


class CalibrationResult(Record):
    """The calibration of a model's intervals on one rung, and their coverage.

    Attributes:
        record: Always `calibration`.
        model: Name of the model.
        fidelity: The rung.
        calibration: As in the model's card.
        coverage: On crystals the intervals were not calibrated on.
        left_out: For each family, or group of anions, left out of training: coverage of intervals calibrated without
            it.
    """

    record: Literal["calibration"] = "calibration"
    model: str
    fidelity: str
    calibration: IntervalCalibration
    coverage: Coverage
    left_out: dict[str, float]

    @property
    def name(self) -> str:
        """Model and rung."""
        return f"{self.model} {self.fidelity}"

    @property
    def summary(self) -> str:
        """One line for people."""
        c = self.coverage
        return (
            f"{self.name}: 90 % intervals hold {c.coverage:.3f}, typically a factor of {c.median_factor:.2f}, n {c.n}"
        )


def calibrations_of(model: str, store: EvaluationStore) -> list[CalibrationResult]:
    """Calibrate the rungs of a model whose evaluations are stored."""
    results = []
    agl = EvaluationKey("crabnet", model, "AFLOW", "AFLOW", "published")
    if store.has(agl):
        results.append(_calibrated(model, "agl", [store.predictions(agl)], {}))
    *near, far = (EvaluationKey("grouped", model, "MIX", "MIX", split) for split in (*_DFT, _FAMILY_OUT))
    if all(store.has(key) for key in (*near, far)):
        families = _by_family(store.predictions(far))
        results.append(_calibrated(model, "dft", [store.predictions(key) for key in near], families))
    return results


def _calibrated(
    model: str, fidelity: str, near: list[Predictions], families: dict[str, NamedErrors]
) -> CalibrationResult:
    near_errors = together([_errors(predictions) for predictions in near])
    left_out = {}
    for family, errors in families.items():
        others = [of_other for name, of_other in families.items() if name != family]
        without = calibrate(near_errors.without(errors.formulas), others, date=today())
        left_out[family] = coverage_of(without, errors)
    return CalibrationResult(
        model=model,
        fidelity=fidelity,
        calibration=calibrate(near_errors, list(families.values()), date=today()),
        coverage=cross_coverage(
            near_errors,
            list(families.values()),
            np.concatenate([predictions.truth for predictions in near]),
            [group for predictions in near for group in predictions.groups],
        ),
        left_out=left_out,
    )


def _by_family(predictions: Predictions) -> dict[str, NamedErrors]:
    errors = _errors(predictions)
    family = np.array([bonding_kind(group) for group in predictions.groups])
    return {str(name): errors[family == name] for name in np.unique(family)}


def _errors(predictions: Predictions) -> NamedErrors:
    ln_error = np.log(predictions.predicted / predictions.truth)
    formulas, crystals = (np.asarray(names, dtype=np.str_) for names in (predictions.formulas, predictions.ids))
    return NamedErrors(ln_error, predictions.spread, predictions.distance > 1, formulas, crystals)
