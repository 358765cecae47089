"""The calibration of a model from stored cells, and the evidence that it holds."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from pydantic import BaseModel, ConfigDict

from kappatune.model.intervals import IntervalCalibration
from studies.transfer.calibrate import Coverage, Errors, calibrate, coverage_of, cross_coverage
from studies.transfer.evaluations import Answered, Store, evaluation_name
from studies.transfer.splits import kind_of_bonding

_DFT = ("formula-0", "formula-1", "anion-out")
"""Splits of both small sets together whose errors set the width for `dft`: new formulas, and new kinds of formulas."""

_FAMILY_OUT = "family-out"
"""Each family left out: crystals of other kinds, whose errors set the width outside the domain."""


class CalibrationResult(BaseModel):
    """How wide a model's intervals are on one rung, and how they fare.

    Attributes:
        model: Name of the model.
        fidelity: The rung.
        calibration: What goes into the model's card.
        coverage: On crystals the intervals were not calibrated on.
        left_out: For each family that was left out of the training: coverage of intervals that were calibrated
            without it, and of those of the card, which know its errors.
    """

    model_config = ConfigDict(extra="forbid")

    model: str
    fidelity: str
    calibration: IntervalCalibration
    coverage: Coverage
    left_out: dict[str, tuple[float, float]] = {}


def calibration_of(model: str, store: Store) -> list[CalibrationResult]:
    """Calibrate the rungs of a model whose cells are stored."""
    date = datetime.now(UTC).date().isoformat()
    results = []
    agl = evaluation_name("crabnet", model, "AFLOW", "AFLOW", "published")
    if store.has(agl):
        results.append(_result(model, "agl", [store.answered(agl)], {}, date))
    *near, far = (evaluation_name("grouped", model, "MIX", "MIX", split) for split in (*_DFT, _FAMILY_OUT))
    if all(store.has(name) for name in (*near, far)):
        families = _by_family(store.answered(far))
        results.append(_result(model, "dft", [store.answered(name) for name in near], families, date))
    return results


def _result(model: str, fidelity: str, cells: list[Answered], far: dict[str, Errors], date: str) -> CalibrationResult:
    near = Errors.joined([_errors(cell) for cell in cells])
    calibration = calibrate(near, list(far.values()), date=date)
    left_out = {}
    for family, errors in far.items():
        without = calibrate(near, [others for name, others in far.items() if name != family], date=date)
        left_out[family] = (coverage_of(without, errors), coverage_of(calibration, errors))
    return CalibrationResult(
        model=model,
        fidelity=fidelity,
        calibration=calibration,
        coverage=cross_coverage(
            near,
            list(far.values()),
            np.concatenate([cell.truth for cell in cells]),
            [formula for cell in cells for formula in cell.formulas],
            [group for cell in cells for group in cell.groups],
        ),
        left_out=left_out,
    )


def _by_family(answered: Answered) -> dict[str, Errors]:
    errors = _errors(answered)
    family = np.array([kind_of_bonding(group) for group in answered.groups])
    return {str(name): errors[family == name] for name in np.unique(family)}


def _errors(answered: Answered) -> Errors:
    return Errors(np.log(answered.predicted / answered.truth), answered.spread, answered.distance > 1)
