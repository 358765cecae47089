"""All stored results of the benchmark: what its page, its figures and the model card are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studies.store import RESULTS, RecordFile
from studies.transfer.comparisons import Comparison, comparisons
from studies.transfer.evaluations import Evaluation, EvaluationStore
from studies.transfer.intervals import CalibrationResult, calibrations_of
from studies.transfer.replay import ReplayedRun
from studies.transfer.reproducibility import Repeat

TRANSFER = RESULTS / "transfer.jsonl"


@dataclass(frozen=True)
class TransferResults:
    """Stored results, each kind by name.

    Attributes:
        evaluations: One per model, training set, test set and split.
        calibrations: Of the intervals.
        comparisons: Paired tests.
        replayed: The released protocol with its faults.
        repeats: Evaluations that were computed a second time.
    """

    evaluations: Sequence[Evaluation]
    calibrations: Sequence[CalibrationResult] = ()
    comparisons: Sequence[Comparison] = ()
    replayed: Sequence[ReplayedRun] = ()
    repeats: Sequence[Repeat] = ()

    @classmethod
    def read(cls, path: Path = TRANSFER) -> TransferResults:
        """Everything a file holds."""
        records = RecordFile(path)
        return cls(
            evaluations=records.read(Evaluation),
            calibrations=records.read(CalibrationResult),
            comparisons=records.read(Comparison),
            replayed=records.read(ReplayedRun),
            repeats=records.read(Repeat),
        )


def summarise(store: EvaluationStore, models: Sequence[str]) -> None:
    """Calibrate the models and compare them, from the stored predictions.

    What the predictions in the work folder do not suffice for stays as it is stored.
    """
    for records in ([found for name in models for found in calibrations_of(name, store)], comparisons(store)):
        if records:
            store.records.add(*records)
