"""All stored results on Phonix: what the page on accuracy, the model card and the evidence are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kappatune.model.intervals import IntervalCalibration
from studies.phonix.agl_rung import AglEvaluation, Protocol
from studies.phonix.evaluations import PHONIX_RESULTS, PhonixEvaluation
from studies.phonix.metrics import PhonixMetrics
from studies.store import RecordFile
from studies.transfer.intervals import CalibrationResult


@dataclass(frozen=True)
class PhonixResults:
    """Stored results, each kind by name.

    Attributes:
        evaluations: One per model, protocol and tested set.
        agl: Of the AGL rung, one per recipe and protocol.
        calibrations: One per recipe and rung.
    """

    evaluations: Sequence[PhonixEvaluation] = ()
    agl: Sequence[AglEvaluation] = ()
    calibrations: Sequence[CalibrationResult] = ()

    @classmethod
    def read(cls, path: Path = PHONIX_RESULTS) -> PhonixResults:
        """Everything a file holds."""
        records = RecordFile(path)
        return cls(records.read(PhonixEvaluation), records.read(AglEvaluation), records.read(CalibrationResult))

    def metrics(self, model: str, protocol: str, tested: str) -> PhonixMetrics | None:
        """Errors of a model, named with its rung, on one set by one protocol; None if they are not stored."""
        key = (model, protocol, tested)
        return next((e.metrics for e in self.evaluations if (e.model, e.protocol, e.tested) == key), None)

    def agl_of(self, recipe: str, protocol: Protocol) -> AglEvaluation | None:
        """Errors of the AGL rung of a recipe; None if they are not stored."""
        return next((e for e in self.agl if (e.model, e.protocol) == (recipe, protocol)), None)

    def calibration_of(self, recipe: str) -> dict[str, CalibrationResult]:
        """Stored calibrations of a recipe, by rung."""
        return {c.fidelity: c for c in self.calibrations if c.model == recipe}

    def interval_calibrations(self, recipe: str) -> dict[str, IntervalCalibration]:
        """What the card of a model of this recipe holds of them, by rung."""
        return {rung: found.calibration for rung, found in self.calibration_of(recipe).items()}

    def dates(self, recipes: Sequence[str]) -> list[str]:
        """Dates of what was measured of recipes, in order, each once."""
        found = [e.date for e in self.evaluations if e.model.split()[0] in recipes]
        return sorted({*found, *(e.date for e in self.agl if e.model in recipes)})
