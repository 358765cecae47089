"""Some cells trained a second time in a fresh folder: does the same command give the same numbers?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict

from studies.transfer.dft_sets import DftSets, TreeCorrectedEnsemble, evaluate_across_sets
from studies.transfer.evaluations import Store, evaluation_name
from studies.transfer.research_tables import ResearchTables
from studies.transfer.steps import PaperSteps, evaluate_step
from studies.transfer.stored import write_stored

REPEATS = "repeats.json"


class Repeat(BaseModel):
    """A cell and its repetition.

    Attributes:
        cell: Name of the cell.
        first: Mean |log10| error as stored.
        second: The same when trained again, on one thread.
        largest_difference: Largest relative difference of a predicted kappa.
    """

    model_config = ConfigDict(extra="forbid")

    cell: str
    first: float
    second: float
    largest_difference: float


def repeat(
    ladder: TreeCorrectedEnsemble,
    model: str,
    sets: DftSets,
    research: ResearchTables,
    steps: PaperSteps,
    store: Store,
    say: Callable[[str], None],
) -> None:
    """Train step I on L96 and step II on HH143, run 1, from nothing, and a model's corrections for L96 to HH143.

    The AGL rung below the corrections is shared with all cells and not trained again.
    """
    torch.set_num_threads(1)
    repeats = []
    with TemporaryDirectory() as folder:
        fresh = Store(Path(folder) / "results", Path(folder))
        for step, train in (("step-1", "L96"), ("step-2", "HH143")):
            evaluate_step(research, steps, step, train, 1, fresh, Path(folder), say)
        evaluate_across_sets(ladder, model, sets, fresh, say)
        for name in (
            evaluation_name("paper", "step-1", "L96", "L96", "run-1"),
            evaluation_name("paper", "step-2", "HH143", "HH143", "run-1"),
            evaluation_name("transfer", model, "L96", "HH143", "all"),
        ):
            first, second = store.answered(name), fresh.answered(name)
            errors = [float(np.abs(np.log10(a.predicted / a.truth)).mean()) for a in (first, second)]
            difference = float(np.abs(second.predicted / first.predicted - 1).max())
            repeats.append(Repeat(cell=name, first=errors[0], second=errors[1], largest_difference=difference))
    write_stored(store.results / REPEATS, repeats)
