"""What a host gains on the AGL rung from our own data set, compared with published formation-energy weights.

    python -m studies.transfer.starter_host --data FOLDER

AFLOW's crystals are split by formula, four fifths to train. Every host is trained in the same AGL stage, that of
`accurate-0.1`; before it, the hosts were trained on nothing, on the Materials Project's formation energies (the
published weights), on our own data set (formation energies, then our AGL values), or on both. Our data set is used
without the formulas of the test part. Resumable.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from kappatune.storage import SHIPPED_TABLES
from kappatune.structures import LabelledTable, read_table
from kappatune.training import train
from kappatune.training.recipe import Recipe, Stage, read_recipe
from kappatune.training.stage import split_by_formula
from studies.research_data import AFLOW, DataOption, research_folder
from studies.store import save_result
from studies.transfer.recipes import ACCURATE, recipe_0_1

SEEDS = (1, 2)
SPLIT_SEED = 0
TEST_FRACTION = 0.2


def main(
    data: DataOption = None, work: Annotated[Path, typer.Option(help="Folder of the models.")] = Path("runs")
) -> None:
    """Train a host from four starts and compare them on AGL values: hours."""
    torch.set_num_threads(1)
    table = read_table(research_folder(data) / AFLOW)
    fitted, test = split_by_formula([row.crystal.formula_key for row in table.rows], TEST_FRACTION, SPLIT_SEED)
    tested = [table.rows[i] for i in test]
    tested_formulas = {row.crystal.formula_key for row in tested}
    own = read_table(SHIPPED_TABLES["shipped:prototypes"])
    own = replace(own, rows=[row for row in own.rows if row.crystal.formula_key not in tested_formulas])
    known = replace(table, rows=[table.rows[i] for i in fitted])

    def tables(stage: Stage) -> list[LabelledTable]:
        return [own if stage.data == ("shipped:prototypes",) else known]

    found: dict[str, Any] = {}
    for name, recipe in _recipes().items():
        model = train(recipe, tables, work / f"starter-host-{name}", resume=True)
        usable = [row for row in tested if model.supports(row.crystal)]
        graphs = model.build_graphs([row.crystal for row in usable])
        bonded = graphs.n_bonds > 0
        truth = np.log([row.kappa for row in usable])[bonded]
        errors = np.abs(model.member_outputs(graphs, "agl").ln_kappa[:, bonded] - truth).mean(axis=1)
        found[name] = {
            "mean_abs_ln_error": float(errors.mean()),
            "by_seed": errors.tolist(),
            "stages": [stage.name for stage in recipe.stages],
        }
    save_result(
        "starter_host",
        {
            "seeds": list(SEEDS),
            "split_seed": SPLIT_SEED,
            "n_train": len(fitted),
            "n_test": len(tested),
            "n_own": len(own.rows),
            "hosts": found,
        },
    )


def _recipes() -> dict[str, Recipe]:
    rung = recipe_0_1(ACCURATE).stages[0].model_dump(mode="json", exclude_unset=True)
    energies, own_agl, _ = (s.model_dump(mode="json", exclude_unset=True) for s in read_recipe("starter").stages)
    own_agl["name"] = "own-agl"
    stages = {
        "random": [rung],
        "public-formation-energy": [rung],
        "own-formation-energy-and-agl": [energies, own_agl, rung],
        "public-formation-energy-and-own-agl": [own_agl, rung],
    }
    base = read_recipe("starter").model_dump(mode="json", exclude={"stages", "seeds", "name", "description"})
    return {
        name: Recipe.model_validate(
            {**base, "name": name, "seeds": SEEDS, "pretrained": name.startswith("public"), "stages": chosen}
        )
        for name, chosen in stages.items()
    }


if __name__ == "__main__":
    typer.run(main)
