"""The calibration of a model from stored cells, and the evidence that it holds."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from pydantic import BaseModel, ConfigDict

from kappatune.bundle import Calibration
from kappatune.evaluate.calibrate import Coverage, calibrate, coverage_of, cross_coverage
from kappatune.evaluate.cells import Answered, Store, cell_name

_DFT = ("formula-0", "formula-1", "anion-out")
"""Splits of both small sets together whose errors set the width for `dft`: new formulas, and new kinds of formulas."""


class CalibrationResult(BaseModel):
    """How wide a model's intervals are on one rung, and how they fare.

    Attributes:
        model: Name of the model.
        fidelity: The rung.
        calibration: What goes into the model's card.
        coverage: On crystals the intervals were not calibrated on.
        left_out_families: Coverage where a whole set was left out: trained on the one, asked about the other.
    """

    model_config = ConfigDict(extra="forbid")

    model: str
    fidelity: str
    calibration: Calibration
    coverage: Coverage
    left_out_families: dict[str, float] = {}


def calibration_of(model: str, store: Store) -> list[CalibrationResult]:
    """Calibrate the rungs of a model whose cells are stored."""
    date = datetime.now(UTC).date().isoformat()
    results = []
    agl = cell_name("crabnet", model, "AFLOW", "AFLOW", "published")
    if store.has(agl):
        results.append(_result(model, "agl", store.answered(agl), date))
    parts = [cell_name("grouped", model, "MIX", "MIX", split) for split in _DFT]
    if all(store.has(part) for part in parts):
        result = _result(model, "dft", _joined([store.answered(part) for part in parts]), date)
        for train, test in (("L96", "HH143"), ("HH143", "L96")):
            name = cell_name("transfer", model, train, test, "all")
            if store.has(name):
                answered = store.answered(name)
                error = np.log(answered.predicted / answered.truth)
                covered = coverage_of(result.calibration, error, answered.spread)
                result.left_out_families[f"{train} to {test}"] = covered
        results.append(result)
    return results


def _result(model: str, fidelity: str, answered: Answered, date: str) -> CalibrationResult:
    error = np.log(answered.predicted / answered.truth)
    return CalibrationResult(
        model=model,
        fidelity=fidelity,
        calibration=calibrate(error, answered.spread, date=date),
        coverage=cross_coverage(error, answered.spread, answered.truth, answered.formulas, answered.groups),
    )


def _joined(parts: list[Answered]) -> Answered:
    return Answered(
        ids=[name for part in parts for name in part.ids],
        formulas=[name for part in parts for name in part.formulas],
        groups=[name for part in parts for name in part.groups],
        truth=np.concatenate([part.truth for part in parts]),
        predicted=np.concatenate([part.predicted for part in parts]),
        spread=np.concatenate([part.spread for part in parts]),
    )
