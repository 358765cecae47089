"""How well the AGL rung of the shipped recipe predicts AGL values of formulas it has not seen.

    python -m benchmarks.agl_rung --data FOLDER [--recipe ladder-fast]

AFLOW's crystals are split by reduced formula, 80 % to train (inner validation included) and 20 % to
test; the recipe's first stage is followed with its seeds. Resumable: `--work` keeps the run.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from benchmarks.results import data_folder, store
from kappatune.graphs import build_graphs
from kappatune.ladder.climb import climb
from kappatune.ladder.recipe import read_recipe
from kappatune.ladder.stage import split_by_formula
from kappatune.structures import read_table

SPLIT_SEED = 0
TEST_FRACTION = 0.2


def main(
    data: Annotated[Path | None, typer.Option(envvar="KAPPATUNE_DATA")] = None,
    recipe: str = "ladder-5",
    work: Path = Path("runs"),
) -> None:
    torch.set_num_threads(1)
    full = read_recipe(recipe)
    first_stage = full.model_copy(update={"name": "agl-rung", "stages": full.stages[:1]})
    table = read_table(data_folder(data) / "aflow_agl.parquet")
    train, test = split_by_formula([row.crystal.formula for row in table.rows], TEST_FRACTION, SPLIT_SEED)
    known = replace(table, rows=[table.rows[i] for i in train])
    out = work / f"agl-rung-{recipe}"
    model = climb(first_stage, lambda _: [known], out, resume=True, progress=False, say=typer.echo)

    held = [table.rows[i] for i in test if model.supports(table.rows[i].crystal)]
    graphs = build_graphs([row.crystal for row in held], model.cutoff)
    members = model.answer(graphs, "agl").ln_kappa[:, graphs.n_bonds > 0]
    truth = np.log([row.kappa for row in held])[graphs.n_bonds > 0]
    errors = [float(np.abs(member - truth).mean()) for member in members]
    ensemble = members.mean(axis=0)
    store(
        "agl_rung" if recipe == "ladder-5" else f"agl_rung_{recipe}",
        {
            "recipe": recipe,
            "seeds": list(full.seeds),
            "split_seed": SPLIT_SEED,
            "n_train": len(train),
            "n_test": len(truth),
            "n_test_unanswered": len(test) - len(truth),
            "single_model_mean_abs_ln_error": errors,
            "single_model_median": float(np.median(errors)),
            "ensemble_mean_abs_ln_error": float(np.abs(ensemble - truth).mean()),
            "ensemble_median_factor": float(np.exp(np.median(np.abs(ensemble - truth)))),
            "ensemble_mae_w_mk": float(np.abs(np.exp(ensemble) - np.exp(truth)).mean()),
            "ensemble_spearman": float(np.corrcoef(_ranks(ensemble), _ranks(truth))[0, 1]),
        },
    )


def _ranks(values: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(values))


if __name__ == "__main__":
    typer.run(main)
