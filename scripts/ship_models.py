"""Train the shipped models on all tables, store them in the package, and write `docs/model-card.md`.

    python scripts/ship_models.py --data FOLDER [--work runs]

Can be stopped and run again. The calibration of the intervals comes from `python -m studies.transfer`, which trains by
the same recipes and measures the errors on formulas that a model has not seen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kappatune.model.bundle import SHIPPED
from kappatune.model.evidence import EVIDENCE
from kappatune.progress import shown_on_stderr
from kappatune.storage import write_text
from kappatune.training import train
from studies.pages import write_pages
from studies.transfer.benchmark import MODELS
from studies.transfer.evidence import evidence
from studies.transfer.results import TRANSFER, TransferResults


def main(
    data: Annotated[Path, typer.Option(envvar="KAPPATUNE_DATA", help="Folder with the tables of the recipes.")],
    work: Annotated[Path, typer.Option(help="Folder of the training runs.")] = Path("runs"),
    results: Annotated[Path, typer.Option(help="Results of the transfer study.")] = TRANSFER,
) -> None:
    """Train the shipped models, calibrate their intervals, and store them with their model card."""
    stored = TransferResults.read(results)
    for name in MODELS:
        with shown_on_stderr() as on_progress:
            model = train(name, data, work / name, resume=True, on_progress=on_progress)
        widths = {c.fidelity: c.calibration for c in stored.calibrations if c.model == name}
        model.card = model.card.model_copy(update={"calibration": widths})
        model.save(SHIPPED / name)
        write_text(SHIPPED / name / EVIDENCE, evidence(name, stored).model_dump_json(indent=1) + "\n")
        typer.echo(f"{name}: intervals of {', '.join(widths) or 'no rung'} are calibrated")
    write_pages(["model-card"])


if __name__ == "__main__":
    typer.run(main)
