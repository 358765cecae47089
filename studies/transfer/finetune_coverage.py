"""How many values intervals hold after fine-tuning on a few dozen others.

    python -m studies.transfer.finetune_coverage --data FOLDER

The textbook crystals are split by formula, with five seeds: two thirds are trained on, one third is asked. The shipped
models learnt all of them, so they are asked about formulas that they know. That is why the same is done with starts
that have learnt no measured value: their only correction is that of the default rung, fitted to its other tables alone.
They are also asked about measured half-Heuslers, and `accurate` about a sample of semi-empirical values, of which it
has learnt none. The models are those shipped at the time; the result names their weights.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from kappatune.demo import agl_rung_of
from kappatune.model.bundle import CARD
from kappatune.model.card import ModelCard
from kappatune.model.kappa_model import KappaModel
from kappatune.storage import SHIPPED_TABLES, write_text
from kappatune.structures.table import LabelledCrystal, LabelledTable, read_table
from kappatune.training import train
from kappatune.training.recipe import Recipe, Stage
from kappatune.training.stage import split_by_formula
from studies.research_data import SEMIEMPIRICAL, DataOption, research_folder
from studies.shipped_models import MODELS
from studies.speed.weights import shipped_weights
from studies.store import save_result

SEEDS = range(5)
ASKED = 1 / 3
SAMPLE = 60
"""Rows drawn from a table that is too large to stand for the values of a user."""

TEXTBOOK = "shipped:textbook"
UNTAUGHT = "-without-measured"
WORK = Path("runs") / "finetune-coverage"

CASES = {
    "textbook": ("accurate", "fast", f"accurate{UNTAUGHT}", f"fast{UNTAUGHT}"),
    "half-Heuslers": (f"accurate{UNTAUGHT}",),
    "semi-empirical": ("accurate",),
}
"""Tables, and the models that are fine-tuned on them."""


def main(
    data: DataOption = None,
    first_seed: int = 0,
    workers: int = 2,
    work: Annotated[Path, typer.Option(help="Folder of intermediate results; a killed study goes on.")] = WORK,
    name: str = "finetune_coverage",
) -> None:
    """Fine-tune on five splits of each table, from each start: half an hour."""
    torch.set_num_threads(1)
    folder = research_folder(data)
    seeds = [first_seed + seed for seed in SEEDS]
    make_starts(folder, work)
    cases = [(start, table) for table, starts in CASES.items() for start in starts]
    jobs = [(start, table, seed, folder, work) for start, table in cases for seed in seeds]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        runs = dict(zip(jobs, pool.map(split_run, *zip(*jobs, strict=True)), strict=True))
    results = []
    for start, table in cases:
        of_case = [run for job, run in runs.items() if job[:2] == (start, table)]
        results.append({"model": start, "table": table, **summary(of_case), "splits": of_case})
    save_result(
        name,
        {
            "weights_sha256": shipped_weights(),
            "seeds": seeds,
            "asked_fraction": round(ASKED, 3),
            "cases": results,
        },
    )


def make_starts(folder: Path, work: Path) -> None:
    """Train the models that have learnt no measured value."""
    for name in MODELS:
        out = work / f"{name}{UNTAUGHT}"
        if not (out / CARD).is_file():
            model = KappaModel.load(name)
            recipe = Recipe(name=out.name, start=name, seeds=(1,), stages=(stage_without_textbook(model.card),))
            train(recipe, folder, out, start=agl_rung_of(model), resume=True, trust_labels=True)


def stage_without_textbook(card: ModelCard) -> Stage:
    """The stage of the default rung, in which a model learnt the textbook values, with its other tables alone."""
    stages = [Stage.model_validate(stage) for stage in card.recipe["stages"] if TEXTBOOK in stage["data"]]
    (stage,) = (stage for stage in stages if stage.fidelity == card.default_fidelity)
    others = tuple(table for table in stage.data if table != TEXTBOOK)
    return stage.model_copy(update={"data": others, "joined": ()})


def table_of(name: str, folder: Path) -> LabelledTable:
    """A table that stands for the values of a user."""
    if name == "textbook":
        return read_table(SHIPPED_TABLES[TEXTBOOK])
    if name == "half-Heuslers":
        return read_table(folder / "experiment_heusler.parquet")
    table = read_table(folder / SEMIEMPIRICAL)
    chosen = np.random.default_rng(0).choice(len(table.rows), SAMPLE, replace=False)
    return replace(table, rows=[table.rows[k] for k in sorted(chosen.tolist())])


def split_run(start_name: str, table_name: str, seed: int, folder: Path, work: Path) -> dict[str, Any]:
    """Fine-tune on two thirds of the formulas of a table, and ask the model and its start about the others."""
    torch.set_num_threads(1)
    stored = work / f"{start_name}__{table_name}__{seed}.json"
    if stored.is_file():
        found: dict[str, Any] = json.loads(stored.read_text(encoding="utf-8"))
        return found
    start = KappaModel.load(work / start_name if start_name.endswith(UNTAUGHT) else start_name)
    table = table_of(table_name, folder)
    rows = [row for row in table.rows if start.supports(row.crystal)]
    learnt, asked = split_by_formula([row.crystal.formula for row in rows], ASKED, seed)
    mine = replace(table, rows=[rows[k] for k in learnt])
    tuned = train("finetune", mine, start=start, on_progress=lambda _: None)
    rung, others = tuned.default_fidelity, [rows[k] for k in asked]
    calibration = tuned.card.calibration.get(rung)  # type: ignore[call-overload]
    run = {
        "seed": seed,
        "n_learnt": len(learnt),
        "n_asked": len(asked),
        "n_new": calibration.n if calibration else None,
        "cross_coverage": calibration.coverage if calibration else None,
        "start": answers(start, others),
        "tuned": answers(tuned, others),
        "domain_limit": [round(start.domains[start.default_fidelity].limit, 3), round(tuned.domains[rung].limit, 3)],
    }
    write_text(stored, json.dumps(run))
    return run


def answers(model: KappaModel, rows: Sequence[LabelledCrystal]) -> dict[str, Any]:
    """How far a model is off, how many values its intervals hold, and how many crystals are in its domain."""
    found = model.predict([row.crystal for row in rows])
    truth = np.array([row.kappa for row in rows])
    kappa, lower, upper = (
        np.array([getattr(one, name) or np.nan for one in found], dtype=np.float64)
        for name in ("kappa_w_mk", "lower_w_mk", "upper_w_mk")
    )
    return {
        "held": int(((lower <= truth) & (truth <= upper)).sum()),
        "mean_abs_ln_error": round(float(np.nanmean(np.abs(np.log(kappa / truth)))), 3),
        "median_factor": round(float(np.nanmedian(np.sqrt(upper / lower))), 2),
        "in_domain": sum(one.in_domain is True for one in found),
    }


def summary(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Totals over the splits, for the start and the tuned model."""
    n = sum(run["n_asked"] for run in runs)
    totals: dict[str, Any] = {"n_asked": n}
    for which in ("start", "tuned"):
        each = [run[which] for run in runs]
        totals[which] = {
            "held": round(sum(one["held"] for one in each) / n, 3),
            "held_least": round(min(run[which]["held"] / run["n_asked"] for run in runs), 3),
            "mean_abs_ln_error": round(float(np.mean([one["mean_abs_ln_error"] for one in each])), 3),
            "median_factor": round(float(np.median([one["median_factor"] for one in each])), 2),
            "in_domain": round(sum(one["in_domain"] for one in each) / n, 3),
        }
    return totals


if __name__ == "__main__":
    typer.run(main)
