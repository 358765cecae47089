"""Train the shipped models on all tables, and give them the calibration of the benchmark.

    python scripts/ship_models.py --data FOLDER [--work runs]

Resumable. The calibration is what `kappatune benchmark` found with the same recipe on formulas it had not seen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kappatune.evaluate.benchmark import MODELS, read_calibrations
from kappatune.evaluate.cells import read_cells
from kappatune.evaluate.page import evidence
from kappatune.evidence import EVIDENCE
from kappatune.ladder.climb import climb, tables_in
from kappatune.ladder.recipe import read_recipe
from kappatune.model import SHIPPED


def main(
    data: Annotated[Path, typer.Option(envvar="KAPPATUNE_DATA")],
    work: Path = Path("runs"),
    results: Path = Path("benchmarks/results/transfer"),
) -> None:
    """Train and ship."""
    calibrations = read_calibrations(results)
    for name in MODELS:
        model = climb(read_recipe(name), tables_in(data), work / name, resume=True, progress=False, say=typer.echo)
        widths = {c.fidelity: c.calibration for c in calibrations if c.model == name}
        model.card = model.card.model_copy(update={"calibration": widths})
        model.save(SHIPPED / name)
        shown = evidence(name, read_cells(results), calibrations).model_dump_json(indent=1)
        (SHIPPED / name / EVIDENCE).write_text(shown + "\n", encoding="utf-8")
        typer.echo(f"{name}: intervals of {', '.join(widths) or 'no rung'} are calibrated")


if __name__ == "__main__":
    typer.run(main)
