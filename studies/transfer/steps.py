"""The paper's question, cell by cell: does transfer in one or two stages help?

Klochko et al., arXiv 2411.18259: step I is the network from random weights, step II from weights that learnt formation
energies, step III from those after AGL values. Host, head, loss and splits are the paper's; one scale serves all
stages, the weights are really loaded, and the epoch is chosen on a part of the training rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kappatune.model.kappa_model import KappaModel
from kappatune.structures.table import LabelledCrystal, LabelledTable
from kappatune.training.recipe import Recipe, Stage, read_recipe
from studies.transfer.agl_evaluations import ask
from studies.transfer.cached_training import trained_member, without_formulas
from studies.transfer.evaluations import Store, evaluation_name
from studies.transfer.research_tables import ResearchTables
from studies.transfer.splits import PAPER_RUNS

HOST = "megnet/MEGNet-MP-2018.6.1-Eform.safetensors"
"""The paper's host, below the research folder."""

AGL_EPOCHS, AGL_BATCH = 24, 32
AGL_SEED = 1
"""One AGL rung serves all runs: it holds no formula that is tested, or by design most of them."""

SMALL_EPOCHS, SMALL_BATCH = 100, 8

STEPS = {
    "step-1": "random weights",
    "step-2": "formation energies",
    "step-3": "formation energies, then AGL without the formulas of the small sets",
    "step-3-seen": "formation energies, then all of AGL, in which most formulas of L96 stand",
}


@dataclass(frozen=True)
class PaperSteps:
    """The recipes of the steps.

    Attributes:
        scratch: Step I.
        pretrained: Step II, and step III up to its AGL rung.
        agl: The AGL stage.
        small: The stage on a small set.
    """

    scratch: Recipe
    pretrained: Recipe
    agl: Stage
    small: Stage

    @classmethod
    def with_host(cls, host: Path) -> PaperSteps:
        """The shipped recipe `step-3` with the paper's host and fewer epochs."""
        recipe = read_recipe("step-3").model_copy(update={"host": str(host)})
        agl, small = recipe.stages
        return cls(
            scratch=recipe.model_copy(update={"pretrained": False}),
            pretrained=recipe,
            agl=agl.model_copy(update={"epochs": AGL_EPOCHS, "batch_size": AGL_BATCH}),
            small=small.model_copy(update={"epochs": SMALL_EPOCHS, "batch_size": SMALL_BATCH}),
        )


def paper_matrix(research: ResearchTables, data: Path, store: Store, work: Path, say: Callable[[str], None]) -> None:
    """All cells of the paper's matrix, run by run, so that a part of it is a smaller matrix and not a torn one."""
    steps = PaperSteps.with_host(data / HOST)
    for run in PAPER_RUNS:
        for train in ("L96", "HH143", "MIX"):
            for step in STEPS:
                evaluate_step(research, steps, step, train, run, store, work, say)
    for run in PAPER_RUNS:
        for step in ("step-1", "step-2"):
            evaluate_step(research, steps, step, "AFLOW", run, store, work, say)


def evaluate_step(
    research: ResearchTables,
    steps: PaperSteps,
    step: str,
    train: str,
    run: int,
    store: Store,
    work: Path,
    say: Callable[[str], None],
) -> None:
    """Train one step on one run's part of a set, and test it on that run's part of every set."""
    tests = ("L96", "HH143", "MIX", "AFLOW")
    if all(store.has(evaluation_name("paper", step, train, test, f"run-{run}")) for test in tests):
        return
    started = time.monotonic()
    known = [_rows(research, train)[i] for i in research.paper[train][run][0]]
    model = _trained(research, steps, step, train, run, known, work)
    seconds = time.monotonic() - started
    formulas = {row.crystal.formula for row in known}
    fidelity = model.default_fidelity
    for test in tests:
        asked = [_rows(research, test)[i] for i in research.paper[test][run][1]]
        unseen = [row for row in asked if row.crystal.formula not in formulas]
        if not unseen:
            name = evaluation_name("paper", step, train, test, f"run-{run}")
            say(f"{name}: all formulas of the test rows were trained on")
            continue
        answered, _ = ask([model], unseen, fidelity, research.family)
        cell = store.put(
            "paper",
            step,
            train,
            test,
            f"run-{run}",
            answered,
            n_train=len(known),
            n_left_out=len(asked) - len(answered.truth),
            seconds=seconds,
            cross_fidelity=(train == "AFLOW") != (test == "AFLOW"),
            details={"seed": run, "stages": model.card.metrics},
        )
        if test == train:
            say(f"{cell.name}: mean |log10| error {cell.metrics.mean_abs_log10:.3f}, MAPE {cell.metrics.mape:.2f}")


def _trained(
    research: ResearchTables,
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
        return trained_member(recipe, steps.small, table, run, folder)
    aflow = research.aflow if step == "step-3-seen" else without_formulas(research.aflow, research.small_formulas)
    below = work / f"{step}-agl"
    trained_member(recipe, steps.agl, aflow, AGL_SEED, below)
    return trained_member(
        Recipe(name="above", start=str(below), stages=(steps.small,)), steps.small, table, run, folder
    )


def _rows(research: ResearchTables, name: str) -> list[LabelledCrystal]:
    if name == "AFLOW":
        return research.aflow.rows
    return research.mix if name == "MIX" else research.small[name]
