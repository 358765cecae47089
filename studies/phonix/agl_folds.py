"""How good is the AGL rung of a recipe on AFLOW's values of new formulas, in five folds?

    python -m studies.phonix.agl_folds RECIPE ... --data FOLDER

A member is trained for each fold, on the rows of the other four; no DFT value is learnt. `studies.phonix.recipes`
measures the same rung on the formulas of the DFT sets alone, which need one training. Trained members are kept in the
work folder, and a killed run goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from kappatune.structures import read_table
from kappatune.structures.table import LabelledTable
from kappatune.training.recipe import Recipe, read_recipe
from studies.phonix.agl_rung import IN_FOLDS, AglEvaluation, AglPredictions, agl_evaluation
from studies.phonix.evaluations import PHONIX_RESULTS
from studies.phonix.splits import N_FOLDS, fold_of
from studies.research_data import AFLOW, DataOption, research_folder
from studies.store import RecordFile
from studies.transfer.cached_training import trained_member, without_formulas


def main(
    recipe: Annotated[list[str], typer.Argument(help="Names or paths of recipes whose first stage is that of AGL.")],
    data: DataOption = None,
    results: Annotated[Path, typer.Option(help="File of the results.")] = PHONIX_RESULTS,
    work: Annotated[Path, typer.Option(help="Folder of trained members.")] = Path("runs/agl-folds"),
) -> None:
    """Cross-validate the AGL rung of recipes: ten minutes for each member and fold on one core."""
    torch.set_num_threads(1)
    table, records = read_table(research_folder(data) / AFLOW), RecordFile(results)
    for plan in map(read_recipe, recipe):
        found = evaluation_in_folds(plan, table, work / plan.name)
        records.add(found)
        typer.echo(found.summary)


def evaluation_in_folds(recipe: Recipe, table: LabelledTable, work: Path) -> AglEvaluation:
    """Errors of the AGL rung on all rows, each predicted by members that have not seen its formula."""
    fold = np.array([fold_of(row.crystal.formula_key) for row in table.rows])
    order = np.argsort(fold, kind="stable")
    parts = [predictions_of_fold(recipe, table, k, work) for k in range(N_FOLDS)]
    predicted = AglPredictions.joined([part for part in parts if part is not None])
    return agl_evaluation(recipe.name, [table.rows[k] for k in order], predicted, protocol=IN_FOLDS)


def predictions_of_fold(recipe: Recipe, table: LabelledTable, fold: int, work: Path) -> AglPredictions | None:
    """What the mean of the members predicts of the rows of one fold; None for a fold without rows."""
    tested = [row for row in table.rows if fold_of(row.crystal.formula_key) == fold]
    if not tested:
        return None
    others = without_formulas(table, {row.crystal.formula_key for row in tested})
    members = [
        trained_member(recipe, recipe.stages[0], others, seed, work / f"fold-{fold}-member-{seed}")
        for seed in recipe.seeds
    ]
    return AglPredictions.of(members, tested)


if __name__ == "__main__":
    typer.run(main)
