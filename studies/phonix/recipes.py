"""How good are recipes on crystals whose formula no stage has seen, and how wide must their intervals be?

    python -m studies.phonix.recipes RECIPE ... --data FOLDER [--protocol formula ...]

Each member's AGL stage is trained once, on the AFLOW values of no formula of the DFT sets; the correction is fitted for
each split. Every prediction is kept in the work folder, so that a killed run repeats at most one split. With all
protocols, the intervals are calibrated as `scripts/ship_models.py` puts them into the shipped models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import torch
import typer

from kappatune.structures import read_table
from kappatune.training.recipe import read_recipe
from studies.phonix.agl_rung import AglEvaluation, agl_results
from studies.phonix.evaluations import PHONIX_RESULTS, PhonixEvaluation, evaluations
from studies.phonix.intervals import CALIBRATED_ON, LabelErrors
from studies.phonix.labels import read_labels, with_heuslers
from studies.phonix.measured import RUNG, measured_results
from studies.phonix.recipe_study import RecipeStudy
from studies.phonix.splits import PROTOCOLS
from studies.research_data import AFLOW, DataOption, research_folder
from studies.store import RecordFile
from studies.transfer.intervals import CalibrationResult


def main(
    recipe: Annotated[list[str], typer.Argument(help="Names or paths of recipes with an AGL and a DFT stage.")],
    data: DataOption = None,
    protocol: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(PROTOCOLS)}; all by default.")] = None,
    results: Annotated[Path, typer.Option(help="File of the results.")] = PHONIX_RESULTS,
    work: Annotated[Path, typer.Option(help="Folder of trained members and predictions.")] = Path("runs/phonix"),
) -> None:
    """Cross-validate recipes and calibrate their intervals: an hour each on one free core."""
    torch.set_num_threads(1)
    unknown = [name for name in protocol or () if name not in PROTOCOLS]
    if unknown:
        raise typer.BadParameter(f"no protocol is called {unknown[0]}; there are {', '.join(PROTOCOLS)}")
    folder, records = research_folder(data), RecordFile(results)
    labels, agl = read_labels(folder), read_table(folder / AFLOW)
    measured = with_heuslers(labels, folder)
    for plan in map(read_recipe, recipe):
        for found in results_of(RecipeStudy(plan, labels, measured, agl, work), protocol or list(PROTOCOLS)):
            records.add(found)
            typer.echo(found.summary)


def results_of(
    study: RecipeStudy, protocols: Sequence[str]
) -> Iterator[PhonixEvaluation | AglEvaluation | CalibrationResult]:
    """All results of a recipe: intervals on `dft` only with all protocols that they are calibrated on."""
    name, labels, seed = study.recipe.name, study.labels, study.recipe.seeds[0]
    predicted = {protocol: study.predicted("dft", protocol) for protocol in protocols}
    errors = LabelErrors(labels, predicted) if predicted.keys() >= set(CALIBRATED_ON) else None
    for protocol, of_recipe in predicted.items():
        half = errors.half_widths(of_recipe) if errors else None
        yield from evaluations(f"{name} dft", protocol, labels, of_recipe, half_widths=half, seed=seed)
        for kind in ("trees", "agl and one constant"):
            yield from evaluations(f"{name} {kind}", protocol, labels, study.predicted(kind, protocol), seed=seed)
    yield from agl_results(name, study.agl_rows, study.agl_predictions)
    if errors:
        yield errors.calibration(name)
    if "formula" in predicted and RUNG in {stage.fidelity for stage in study.recipe.stages}:
        yield from measured_results(name, study.measured, study.predicted_measured, seed)


if __name__ == "__main__":
    typer.run(main)
