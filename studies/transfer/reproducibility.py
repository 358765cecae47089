"""Some evaluations computed a second time in a fresh folder: does the same command give the same numbers?"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import torch

from kappatune.progress import OnProgress
from studies.store import Record
from studies.transfer.dft_evaluations import evaluate_across_sets
from studies.transfer.dft_sets import DftSets
from studies.transfer.evaluations import EvaluationKey, EvaluationStore
from studies.transfer.learners import TreeCorrectedEnsemble
from studies.transfer.steps import PaperSteps, evaluate_step


class Repeat(Record):
    """An evaluation and its repetition.

    Attributes:
        record: Always `repeat`.
        evaluation: Name of the evaluation.
        first: Mean |log10| error as stored.
        second: The same when trained again, on one thread.
        largest_difference: Largest relative difference of a predicted kappa.
    """

    record: Literal["repeat"] = "repeat"
    evaluation: str
    first: float
    second: float
    largest_difference: float

    @property
    def name(self) -> str:
        """Name of the evaluation."""
        return self.evaluation


def repeat_evaluations(
    ensemble: TreeCorrectedEnsemble,
    model: str,
    sets: DftSets,
    steps: PaperSteps,
    store: EvaluationStore,
    on_progress: OnProgress,
) -> None:
    """Repeat step I on L96 and step II on HH143, run 1, from the start, and a model's corrections for L96 to HH143.

    The AGL stage below the corrections is shared by all evaluations and not trained again.
    """
    torch.set_num_threads(1)
    repeats = []
    with TemporaryDirectory() as folder:
        fresh = EvaluationStore(Path(folder) / "results.jsonl", Path(folder))
        for step, train in (("step-1", "L96"), ("step-2", "HH143")):
            evaluate_step(sets.tables, steps, step, train, 1, fresh, Path(folder), on_progress)
        evaluate_across_sets(ensemble, model, sets, fresh, on_progress)
        for key in (
            EvaluationKey("paper", "step-1", "L96", "L96", "run-1"),
            EvaluationKey("paper", "step-2", "HH143", "HH143", "run-1"),
            EvaluationKey("transfer", model, "L96", "HH143", "all"),
        ):
            first, second = store.predictions(key), fresh.predictions(key)
            repeats.append(
                Repeat(
                    evaluation=key.name,
                    first=float(first.abs_log10_errors.mean()),
                    second=float(second.abs_log10_errors.mean()),
                    largest_difference=float(np.abs(second.predicted / first.predicted - 1).max()),
                )
            )
    store.records.replace(Repeat, repeats)
