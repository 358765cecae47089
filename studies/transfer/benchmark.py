"""The benchmark from end to end: every evaluation that is not stored yet, then calibrations and comparisons."""

from __future__ import annotations

from pathlib import Path

from kappatune.progress import OnProgress
from studies.transfer.agl_evaluations import evaluate_aflow_folds, evaluate_crabnet_split
from studies.transfer.baselines import baselines
from studies.transfer.dft_evaluations import evaluate_grouped, evaluate_on_dft_sets, evaluate_on_textbook
from studies.transfer.dft_sets import DftSets
from studies.transfer.evaluations import EvaluationStore
from studies.transfer.learners import TreeCorrectedEnsemble
from studies.transfer.recipes import ACCURATE, RECIPES, recipe_0_1
from studies.transfer.replay import replay
from studies.transfer.reproducibility import repeat_evaluations
from studies.transfer.research_tables import read_research_tables
from studies.transfer.results import summarise
from studies.transfer.steps import HOST, PaperSteps, evaluate_all_steps


def run_benchmark(
    data: Path,
    results: Path,
    work: Path,
    on_progress: OnProgress,
    *,
    repeated: bool = False,
    replayed: bool = False,
) -> None:
    """Compute what is missing. A killed run loses at most one evaluation, and a quarter of a minute of training.

    Args:
        data: Folder of the research tables.
        results: File of the results, `transfer.jsonl`.
        work: Folder of trained members and of predictions row by row, which hold values that may not be passed on.
        on_progress: Called with a message after each evaluation.
        repeated: Train and evaluate three cases a second time.
        replayed: Replay the released protocol of the paper with its faults.
    """
    tables = read_research_tables(data)
    store = EvaluationStore(results, work)
    sets = DftSets.of(tables)
    for name in RECIPES:
        recipe = recipe_0_1(name)
        ensemble = TreeCorrectedEnsemble(recipe, sets, work)
        evaluate_on_dft_sets(ensemble, name, sets, store, on_progress)
        evaluate_on_textbook(ensemble, name, sets, store, on_progress)
        if name == ACCURATE:
            for baseline, learner in baselines(sets, ensemble).items():
                evaluate_on_dft_sets(learner, baseline, sets, store, on_progress)
        evaluate_crabnet_split(recipe, name, tables, store, work, on_progress)
    evaluate_aflow_folds(recipe_0_1(ACCURATE), ACCURATE, tables, store, work, on_progress)
    evaluate_all_steps(tables, data, store, work, on_progress)
    if repeated:
        steps = PaperSteps.with_host(data / HOST)
        ensemble = TreeCorrectedEnsemble(recipe_0_1(ACCURATE), sets, work)
        repeat_evaluations(ensemble, ACCURATE, sets, steps, store, on_progress)
    if replayed:
        replay(tables, store.records, on_progress)
    summarise(store, RECIPES)


def run_intervals(data: Path, results: Path, work: Path, on_progress: OnProgress) -> None:
    """Compute only what the intervals on `dft` are calibrated on and tested with: a tenth of the benchmark.

    Args:
        data: As in `run_benchmark`.
        results: As in `run_benchmark`.
        work: As in `run_benchmark`.
        on_progress: As in `run_benchmark`.
    """
    tables = read_research_tables(data)
    store = EvaluationStore(results, work)
    sets = DftSets.of(tables)
    for name in RECIPES:
        ensemble = TreeCorrectedEnsemble(recipe_0_1(name), sets, work)
        evaluate_grouped(ensemble, name, "MIX", sets, store, on_progress)
        evaluate_on_textbook(ensemble, name, sets, store, on_progress)
    summarise(store, RECIPES)
