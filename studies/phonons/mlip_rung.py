"""Do phonon values of a potential, as one more rung, help to predict DFT values? How good is the model on them?

    python -m studies.phonons.mlip_rung runs/mlip-values/values.parquet --data FOLDER --work FOLDER

The protocol is that of `studies.transfer`: the AGL stage holds no formula of the DFT sets (it may hold AGL values of
the crystals with phonon values), and test rows whose formula is trained on are left out. The correction is trained
twice, without and with the rows of fidelity `mlip` (see `mlip_values`) beside the DFT sets and the textbook values.
Both predict the same test rows. `--bias 0.57` first removes SevenNet-0's known bias. `--work` is that of `python -m
studies.transfer`, whose trained members are used again.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.stats import spearmanr

from kappatune.model.folds import Split, group_folds
from kappatune.structures import read_table
from studies.research_data import DataOption, research_folder
from studies.store import save_result
from studies.transfer.dft_evaluations import N_FOLDS, SMALLEST_GROUP
from studies.transfer.dft_sets import DftSets
from studies.transfer.learners import TreeCorrectedEnsemble
from studies.transfer.metrics import compare
from studies.transfer.recipes import ACCURATE, recipe_0_1
from studies.transfer.research_tables import read_research_tables
from studies.transfer.splits import bonding_kind, one_group_out

MEMBERS = (1, 2)
"""Members of the recipe, by seed: two show the effect of the rung as well as five."""


def main(
    values: Path,
    data: DataOption = None,
    work: Path = Path("runs/benchmark"),
    model: str = ACCURATE,
    bias: Annotated[
        float, typer.Option(help="Known kappa / kappa_DFT of the potential: values are divided by it.")
    ] = 1,
) -> None:
    """Train corrections with and without phonon values of a potential, and compare their errors: an hour."""
    tables = read_research_tables(research_folder(data))
    more = [replace(row, kappa=row.kappa / bias) for row in read_table(values, default_fidelity="mlip").rows]
    with_rung = DftSets.of(tables, more)
    n_textbook = len(tables.textbook)
    beside = with_rung.rows_of["beside"]
    without = replace(with_rung, rows_of=with_rung.rows_of | {"beside": beside[:n_textbook]})
    ensemble = TreeCorrectedEnsemble(recipe_0_1(model).model_copy(update={"seeds": MEMBERS}), with_rung, work)
    mix, mlip = with_rung.rows_of["MIX"], beside[n_textbook:]
    mlip = mlip[~np.isin(with_rung.formulas[mlip], list(tables.dft_formulas))]
    result: dict[str, Any] = {}
    for name, folds in _splits(with_rung, mix, mlip).items():
        outputs = []
        for sets in (without, with_rung):
            ensemble.sets = sets
            outputs.append(
                np.concatenate([ensemble(train, sets.unseen(train, test)).ln_kappa for train, test in folds])
            )
        rows = np.concatenate([with_rung.unseen(train, test) for train, test in folds])
        truth = np.log(with_rung.kappa[rows])
        before, after = (np.abs(ln_kappa - truth) / np.log(10) for ln_kappa in outputs)
        result[name] = {
            "n": len(rows),
            "without": _errors(outputs[0], truth),
            "with": _errors(outputs[1], truth),
            "agl_rung": _errors(ensemble.agl_ln_kappa(rows), truth),
            "gain": compare(before, after, with_rung.formulas[rows]).model_dump(),
        }
        typer.echo(f"{name}: {result[name]}")
    sources = sorted({row.source for row in more})
    about = {"model": model, "members": MEMBERS, "n_mlip": len(more), "sources": sources, "bias": bias}
    save_result("mlip_rung" if bias == 1 else "mlip_rung_unbiased", about | {"tests": result})


def _splits(sets: DftSets, mix: NDArray[np.int64], mlip: NDArray[np.int64]) -> dict[str, list[Split]]:
    """Training and test rows of every test; rows of fidelity `mlip` are tested in folds by formula."""
    splits = {f"{a} to {b}": [(sets.rows_of[a], sets.rows_of[b])] for a, b in (("L96", "HH143"), ("HH143", "L96"))}
    for name in ("L96", "HH143"):
        rows = sets.rows_of[name]
        folds = group_folds(sets.formulas[rows].tolist(), N_FOLDS, seed=0)
        splits[f"{name} by formula"] = [(rows[a], rows[b]) for a, b in folds]
    bonding = [bonding_kind(sets.tables.family[row.crystal.id]) for row in sets.tables.mix]
    for kind, (train, test) in one_group_out(bonding, SMALLEST_GROUP).items():
        splits[f"MIX without {kind}"] = [(mix[train], mix[test])]
    folds = group_folds(sets.formulas[mlip].tolist(), N_FOLDS, seed=0)
    return splits | {"MIX to mlip": [(mix, mlip[test]) for _, test in folds]}


def _errors(ln_kappa: NDArray[np.float64], truth: NDArray[np.float64]) -> dict[str, float]:
    error = (ln_kappa - truth) / np.log(10)
    return {
        "mean_abs_log10": float(np.abs(error).mean()),
        "mean_signed_log10": float(error.mean()),
        "spearman": float(spearmanr(ln_kappa, truth).statistic),
    }


if __name__ == "__main__":
    typer.run(main)
