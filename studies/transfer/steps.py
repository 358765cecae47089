"""The paper's question, evaluated split by split: does transfer in one or two stages help?

Klochko et al., arXiv 2411.18259: step I trains the network from random weights, step II from weights trained on
formation energies, step III from those of step II trained on AGL values. Host, head, loss and splits are the paper's;
one scale serves all stages, the weights are really loaded, and the epoch is chosen on a part of the training rows.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from kappatune.model.kappa_model import KappaModel
from kappatune.progress import Message, OnProgress
from kappatune.structures.table import LabelledCrystal, LabelledTable
from kappatune.training.recipe import Recipe, Stage, read_recipe
from studies.transfer.agl_evaluations import predict_rows
from studies.transfer.cached_training import trained_member, without_formulas
from studies.transfer.evaluations import EvaluationKey, EvaluationStore
from studies.transfer.research_tables import ResearchTables
from studies.transfer.splits import PAPER_RUNS

HOST = "megnet/MEGNet-MP-2018.6.1-Eform.safetensors"
"""The paper's host, a file in the research folder."""

AGL_EPOCHS, AGL_BATCH = 24, 32
AGL_SEED = 1
"""One AGL stage serves all runs: it holds no tested formula, or, in `step-3-seen`, most of them."""

DFT_EPOCHS, DFT_BATCH = 100, 8

STEPS = {
    "step-1": "random weights",
    "step-2": "formation energies",
    "step-3": "formation energies, then AGL values without the formulas of the DFT sets",
    "step-3-seen": "formation energies, then all AGL values, which cover most formulas of L96",
}


@dataclass(frozen=True)
class PaperSteps:
    """The recipes of the steps.

    Attributes:
        scratch: Step I.
        pretrained: Step II, and step III up to its AGL stage.
        agl: The AGL stage.
        dft: The stage on a DFT set.
    """

    scratch: Recipe
    pretrained: Recipe
    agl: Stage
    dft: Stage

    @classmethod
    def with_host(cls, host: Path) -> PaperSteps:
        """The shipped recipe `step-3` with the paper's host and fewer epochs."""
        recipe = read_recipe("step-3").model_copy(update={"host": str(host)})
        agl, dft = recipe.stages
        return cls(
            scratch=recipe.model_copy(update={"pretrained": False}),
            pretrained=recipe,
            agl=agl.model_copy(update={"epochs": AGL_EPOCHS, "batch_size": AGL_BATCH}),
            dft=dft.model_copy(update={"epochs": DFT_EPOCHS, "batch_size": DFT_BATCH}),
        )


def evaluate_all_steps(
    tables: ResearchTables, data: Path, store: EvaluationStore, work: Path, on_progress: OnProgress
) -> None:
    """Every step on every set, run by run, so that an interrupted study has complete runs."""
    steps = PaperSteps.with_host(data / HOST)
    for run in PAPER_RUNS:
        for train in ("L96", "HH143", "MIX"):
            for step in STEPS:
                evaluate_step(tables, steps, step, train, run, store, work, on_progress)
    for run in PAPER_RUNS:
        for step in ("step-1", "step-2"):
            evaluate_step(tables, steps, step, "AFLOW", run, store, work, on_progress)


def evaluate_step(
    tables: ResearchTables,
    steps: PaperSteps,
    step: str,
    train: str,
    run: int,
    store: EvaluationStore,
    work: Path,
    on_progress: OnProgress,
) -> None:
    """Train one step on a set's training rows of one run, and test it on that run's test rows of every set."""
    keys = [EvaluationKey("paper", step, train, test, f"run-{run}") for test in ("L96", "HH143", "MIX", "AFLOW")]
    if all(store.has(key) for key in keys):
        return
    started = time.monotonic()
    known = [_rows(tables, train)[i] for i in tables.paper_splits[train][run][0]]
    model = _trained(tables, steps, step, train, run, known, work)
    seconds = time.monotonic() - started
    formulas = {row.crystal.formula_key for row in known}
    for key in keys:
        tested = [_rows(tables, key.test)[i] for i in tables.paper_splits[key.test][run][1]]
        unseen = [row for row in tested if row.crystal.formula_key not in formulas]
        if not unseen:
            on_progress(Message(f"{key.name}: skipped, all formulas of the test rows were trained on"))
            continue
        predictions, _ = predict_rows([model], unseen, model.default_fidelity, tables.family)
        evaluation = store.add(
            key,
            predictions,
            n_train=len(known),
            n_left_out=len(tested) - len(predictions.truth),
            seconds=seconds,
            cross_fidelity=(train == "AFLOW") != (key.test == "AFLOW"),
            details={"seed": run, "stages": model.card.metrics},
        )
        if key.test == train:
            on_progress(Message(evaluation.summary))


def _trained(
    tables: ResearchTables,
    steps: PaperSteps,
    step: str,
    train: str,
    run: int,
    known: list[LabelledCrystal],
    work: Path,
) -> KappaModel:
    table = LabelledTable(train, known, [], "")
    folder = work / f"{step}-{train}-{run}".lower()
    recipe = steps.scratch if step == "step-1" else steps.pretrained
    if train == "AFLOW":
        return trained_member(recipe, steps.agl, table, run, folder)
    if step in ("step-1", "step-2"):
        return trained_member(recipe, steps.dft, table, run, folder)
    aflow = tables.aflow if step == "step-3-seen" else without_formulas(tables.aflow, tables.dft_formulas)
    below = work / f"{step}-agl"
    trained_member(recipe, steps.agl, aflow, AGL_SEED, below)
    return trained_member(Recipe(name="above", start=str(below), stages=(steps.dft,)), steps.dft, table, run, folder)


def _rows(tables: ResearchTables, name: str) -> list[LabelledCrystal]:
    if name == "AFLOW":
        return tables.aflow.rows
    return tables.mix if name == "MIX" else tables.dft[name]
