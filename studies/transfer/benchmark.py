"""The benchmark from end to end: every cell that is not stored yet, the calibrations, the page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kappatune.training.recipe import read_recipe
from studies.transfer import agl_evaluations
from studies.transfer.baselines import baselines
from studies.transfer.dft_sets import DftSets, TreeCorrectedEnsemble, evaluate_on_dft_sets
from studies.transfer.evaluations import Store
from studies.transfer.replay import replay
from studies.transfer.reproducibility import repeat
from studies.transfer.research_tables import read_research_tables
from studies.transfer.results import summarise
from studies.transfer.steps import HOST, PaperSteps, paper_matrix

MODELS = ("accurate", "fast")


def run_benchmark(
    data: Path,
    results: Path,
    work: Path,
    say: Callable[[str], None],
    *,
    repeats: bool = False,
    replayed: bool = False,
) -> None:
    """Fill in what is missing; a kill loses one cell at most, and of a rung's training a quarter of a minute.

    Args:
        data: Folder of the research tables.
        results: Folder of the cells, one JSON file each.
        work: Folder of trained rungs and of predictions row by row, which hold values that may not be passed on.
        say: Receives one line per finished cell.
        repeats: Train three cells a second time.
        replayed: Replay the released protocol of the paper with its faults.
    """
    research = read_research_tables(data)
    store = Store(results, work)
    sets = DftSets.of(research)
    for name in MODELS:
        recipe = read_recipe(name)
        ladder = TreeCorrectedEnsemble(recipe, sets, work)
        evaluate_on_dft_sets(ladder, name, sets, store, say)
        if name == MODELS[0]:
            for baseline, learner in baselines(sets, ladder).items():
                evaluate_on_dft_sets(learner, baseline, sets, store, say)
        agl_evaluations.crabnet_split(recipe, name, research, store, work, say)
    agl_evaluations.aflow_folds(read_recipe(MODELS[0]), MODELS[0], research, store, work, say)
    paper_matrix(research, data, store, work, say)
    if repeats:
        steps = PaperSteps.with_host(data / HOST)
        repeat(TreeCorrectedEnsemble(read_recipe(MODELS[0]), sets, work), MODELS[0], sets, research, steps, store, say)
    if replayed:
        replay(research, results, say)
    summarise(store, MODELS)
