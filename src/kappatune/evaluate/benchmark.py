"""The benchmark from end to end: every cell that is not stored yet, the calibrations, the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from kappatune.evaluate import agl
from kappatune.evaluate.baselines import baselines
from kappatune.evaluate.cells import Store
from kappatune.evaluate.intervals import CalibrationResult, calibration_of
from kappatune.evaluate.research import read_research
from kappatune.evaluate.small_sets import SmallSets, TreesOnLadder, all_cells
from kappatune.evaluate.steps import paper_matrix
from kappatune.ladder.recipe import read_recipe

MODELS = ("accurate", "fast")
CALIBRATIONS = "calibrations.json"


def run_benchmark(data: Path, results: Path, work: Path, say: Callable[[str], None]) -> None:
    """Fill in what is missing; a kill loses one cell at most, and of a rung's training a quarter of a minute.

    Args:
        data: Folder of the research tables.
        results: Folder of the cells, one JSON file each.
        work: Folder of trained rungs and of predictions row by row, which hold values that may not be passed on.
        say: Receives one line per finished cell.
    """
    research = read_research(data)
    store = Store(results, work)
    sets = SmallSets.of(research)
    for name in MODELS:
        recipe = read_recipe(name)
        ladder = TreesOnLadder(recipe, sets, work)
        all_cells(ladder, name, sets, store, say)
        if name == MODELS[0]:
            for baseline, learner in baselines(sets, ladder).items():
                all_cells(learner, baseline, sets, store, say)
        agl.crabnet_split(recipe, name, research, store, work, say)
    agl.aflow_folds(read_recipe(MODELS[0]), MODELS[0], research, store, work, say)
    paper_matrix(research, data, store, work, say)
    calibrations = [result for name in MODELS for result in calibration_of(name, store)]
    text = json.dumps([result.model_dump(mode="json") for result in calibrations], indent=1)
    (results / CALIBRATIONS).write_text(text + "\n", encoding="utf-8")


def read_calibrations(results: Path) -> list[CalibrationResult]:
    """The stored calibrations."""
    return [CalibrationResult.model_validate(r) for r in json.loads((results / CALIBRATIONS).read_text("utf-8"))]
