"""How well a model trained on the package's own data predicts research tables it has never seen.

    kappatune train starter --out runs/starter
    python -m studies.transfer.starter --data FOLDER [--model runs/starter]

Its AGL rung predicts AFLOW's crystals, its last rung the DFT sets; formulas it was trained on are left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from scipy.stats import spearmanr

from kappatune.model.kappa_model import KappaModel
from kappatune.structures import read_table
from studies.research_data import DataOption, research_folder
from studies.store import save_result

RUNGS = {"aflow_agl.parquet": "agl", "l96.parquet": "experiment", "hh143.parquet": "experiment"}


def main(
    data: DataOption = None,
    model: Annotated[Path, typer.Option(help="Folder of the trained recipe `starter`.")] = Path("runs/starter"),
) -> None:
    """Predict research tables with the recipe `starter`, which needs no data from elsewhere: a minute."""
    torch.set_num_threads(1)
    starter = KappaModel.load(model)
    trained = {formula for formulas in starter.card.formulas.values() for formula in formulas}
    found: dict[str, Any] = {}
    for name, fidelity in RUNGS.items():
        rows = [row for row in read_table(research_folder(data) / name).rows if row.crystal.formula_key not in trained]
        predictions = starter.predict([row.crystal for row in rows], fidelity)
        pairs = [(p.kappa_w_mk, row.kappa) for p, row in zip(predictions, rows, strict=True) if p.kappa_w_mk]
        ours, theirs = np.log(pairs).T
        found[name.removesuffix(".parquet")] = {
            "rung": fidelity,
            "n": len(pairs),
            "n_unanswered": len(rows) - len(pairs),
            "spearman": float(spearmanr(ours, theirs)[0]),
            "mean_abs_ln_error": float(np.abs(ours - theirs).mean()),
            "median_factor": float(np.exp(np.median(np.abs(ours - theirs)))),
        }
    metrics = {stage: [step["validation_error"] for step in steps] for stage, steps in starter.card.metrics.items()}
    seconds = sum(step["seconds"] for steps in starter.card.metrics.values() for step in steps)
    save_result("starter", {"inner_validation": metrics, "training_seconds": seconds, "tables": found})


if __name__ == "__main__":
    typer.run(main)
