"""All that is stored of a benchmark: what its page, its figures and the model card are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studies.transfer.comparisons import Comparison, comparisons
from studies.transfer.evaluations import Cell, Store, read_evaluations
from studies.transfer.intervals import CalibrationResult, calibration_of
from studies.transfer.replay import REPLAY, ReplayedRun
from studies.transfer.reproducibility import REPEATS, Repeat
from studies.transfer.stored import read_stored, write_stored

CALIBRATIONS = "calibrations.json"
COMPARISONS = "comparisons.json"


@dataclass(frozen=True)
class Results:
    """Stored results.

    Attributes:
        cells: One per model, training set, test set and split.
        calibrations: Of the intervals.
        comparisons: Paired tests.
        replayed: The released protocol with its faults.
        repeats: Cells that were trained a second time.
    """

    cells: Sequence[Cell]
    calibrations: Sequence[CalibrationResult] = ()
    comparisons: Sequence[Comparison] = ()
    replayed: Sequence[ReplayedRun] = ()
    repeats: Sequence[Repeat] = ()

    @classmethod
    def read(cls, folder: Path) -> Results:
        """What a folder holds so far."""
        return cls(
            cells=read_evaluations(folder),
            calibrations=read_stored(folder / CALIBRATIONS, CalibrationResult),
            comparisons=read_stored(folder / COMPARISONS, Comparison),
            replayed=read_stored(folder / REPLAY, ReplayedRun),
            repeats=read_stored(folder / REPEATS, Repeat),
        )


def summarise(store: Store, models: Sequence[str]) -> None:
    """Calibrate the models and compare them, from the stored predictions."""
    write_stored(store.results / CALIBRATIONS, [result for name in models for result in calibration_of(name, store)])
    known = [cell for cell in read_evaluations(store.results) if store.has(cell.name)]
    write_stored(store.results / COMPARISONS, comparisons(known, store))
