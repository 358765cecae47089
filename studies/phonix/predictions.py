"""What a learner predicts for the tested rows of a protocol, kept split by split so that a killed run repeats one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kappatune.model.folds import Rows
from kappatune.storage import atomic_path
from studies.phonix.splits import LabelSplit
from studies.transfer.learners import Learner, LearnerOutput


@dataclass(frozen=True)
class ProtocolPredictions:
    """Predictions of the tested rows of one protocol.

    Attributes:
        splits: Its splits, none of which tests a row that another tests.
        output: (n,) each of all labels, NaN where a row is not tested.
        seconds: Time that the splits took when they were computed.
    """

    splits: list[LabelSplit]
    output: LearnerOutput
    seconds: float


def cross_validate(
    learner: Callable[[], Learner], splits: list[LabelSplit], n_rows: int, folder: Path
) -> ProtocolPredictions:
    """Predict the tested rows of each split by a learner that knows its training rows alone.

    Args:
        learner: Gives the learner; not called if all splits are in the folder.
        splits: Of one protocol.
        n_rows: Number of all labels.
        folder: Of the predictions.
    """
    output = LearnerOutput(*(np.full(n_rows, np.nan) for _ in LearnerOutput._fields))
    seconds = 0.0
    for split in splits:
        path = folder / f"{split.file_name}.npz"
        if not path.is_file():
            predict = learner()
            started = time.monotonic()
            of_split = predict(split.train, split.test)
            with atomic_path(path) as partial, partial.open("wb") as file:
                np.savez(file, seconds=time.monotonic() - started, **of_split._asdict())
        stored = np.load(path)
        for name in LearnerOutput._fields:
            getattr(output, name)[split.test] = stored[name]
        seconds += float(stored["seconds"])
    return ProtocolPredictions(splits, output, seconds)


def rows_tested(predicted: ProtocolPredictions) -> Rows:
    """Numbers of the rows that a protocol tests."""
    return np.flatnonzero(np.isfinite(predicted.output.ln_kappa))
