"""How good are recipes on DFT values of crystals whose formula no stage has seen?

    python -m studies.phonix.recipes RECIPE ... --data FOLDER [--protocol formula ...]

Each member's AGL stage is trained once, on the AFLOW values of no formula of the DFT sets; the correction is fitted for
each split. Every prediction is kept in the work folder, so that a killed run repeats at most one split.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from kappatune.storage import atomic_path
from kappatune.structures import read_table
from kappatune.training.recipe import read_recipe
from kappatune.training.rows import rows_sha256
from studies.phonix.evaluations import PHONIX_RESULTS, evaluations
from studies.phonix.labels import read_labels
from studies.phonix.splits import PROTOCOLS, LabelSplit
from studies.research_data import AFLOW, DataOption, research_folder
from studies.store import RecordFile
from studies.transfer.cached_training import without_formulas
from studies.transfer.learners import CorrectedEnsemble, LearnerOutput


def main(
    recipe: Annotated[list[str], typer.Argument(help="Names or paths of recipes with an AGL and a DFT stage.")],
    data: DataOption = None,
    protocol: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(PROTOCOLS)}; all by default.")] = None,
    results: Annotated[Path, typer.Option(help="File of the results.")] = PHONIX_RESULTS,
    work: Annotated[Path, typer.Option(help="Folder of trained members and predictions.")] = Path("runs/phonix"),
) -> None:
    """Cross-validate recipes: half an hour each, most of it for the AGL stages."""
    torch.set_num_threads(1)
    unknown = [name for name in protocol or () if name not in PROTOCOLS]
    if unknown:
        raise typer.BadParameter(f"no protocol is called {unknown[0]}; there are {', '.join(PROTOCOLS)}")
    folder = research_folder(data)
    labels = read_labels(folder)
    agl = without_formulas(read_table(folder / AFLOW), set(labels.formulas.tolist()))
    for plan in map(read_recipe, recipe):
        of_recipe = work / plan.name
        inputs = plan.model_dump_json(exclude={"description"}) + rows_sha256(labels.rows)
        predictions = of_recipe / hashlib.sha256(inputs.encode()).hexdigest()[:12]
        folders = [of_recipe / f"agl-{seed}" for seed in plan.seeds]
        ensemble = CorrectedEnsemble(plan, labels.rows, agl, folders)
        for name in protocol or PROTOCOLS:
            started = time.monotonic()
            output = cross_validate(ensemble, list(PROTOCOLS[name](labels)), len(labels.rows), predictions / name)
            found = evaluations(
                f"recipe {plan.name}",
                name,
                labels,
                output.ln_kappa,
                output.spread,
                output.distance <= 1,
                seed=plan.seeds[0],
                seconds=time.monotonic() - started,
            )
            for evaluation in found:
                RecordFile(results).add(evaluation)
                typer.echo(evaluation.summary)


def cross_validate(ensemble: CorrectedEnsemble, splits: list[LabelSplit], n_rows: int, folder: Path) -> LearnerOutput:
    """What the ensemble predicts for each tested row, NaN elsewhere; splits already in `folder` are read."""
    output = LearnerOutput(*(np.full(n_rows, np.nan) for _ in LearnerOutput._fields))
    for split in splits:
        path = folder / f"{split.part.replace(' ', '-')}.npz"
        if not path.is_file():
            of_split = ensemble(split.train, split.test)
            with atomic_path(path) as partial, partial.open("wb") as file:
                np.savez(file, **of_split._asdict())
        stored = np.load(path)
        for name in LearnerOutput._fields:
            getattr(output, name)[split.test] = stored[name]
    return output


if __name__ == "__main__":
    typer.run(main)
