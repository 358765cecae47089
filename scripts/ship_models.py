"""Train the shipped models on all tables, store them in the package, and write `docs/model-card.md`.

    python scripts/ship_models.py --data FOLDER [--work runs]
    python scripts/ship_models.py --intervals

The second leaves the weights as they are and renews calibration and evidence. Can be stopped and run again. The
calibration of the intervals comes from `python -m studies.transfer`, which trains by the same recipes and measures the
errors on formulas that a model has not seen.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from kappatune.model.bundle import CARD, SHIPPED
from kappatune.model.evidence import EVIDENCE
from kappatune.model.intervals import IntervalCalibration
from kappatune.progress import shown_on_stderr
from kappatune.storage import write_text
from kappatune.training import train
from studies.pages import write_pages
from studies.shipped_models import MODELS
from studies.store import load_result
from studies.transfer.evidence import evidence
from studies.transfer.results import TRANSFER, TransferResults


def main(
    data: Annotated[
        Path | None, typer.Option(envvar="KAPPATUNE_DATA", help="Folder with the tables of the recipes.")
    ] = None,
    work: Annotated[Path, typer.Option(help="Folder of the training runs.")] = Path("runs"),
    results: Annotated[Path, typer.Option(help="Results of the transfer study.")] = TRANSFER,
    intervals: Annotated[bool, typer.Option("--intervals", help="Renew calibration and evidence alone.")] = False,
) -> None:
    """Train the shipped models, calibrate their intervals, and store them with their model card."""
    stored = TransferResults.read(results)
    if intervals:
        for name in MODELS:
            renew_intervals(SHIPPED / name, stored)
        write_pages(["model-card"])
        return
    if data is None:
        raise typer.BadParameter("training needs --data FOLDER")
    for name in MODELS:
        with shown_on_stderr() as on_progress:
            model = train(name, data, work / name, resume=True, on_progress=on_progress)
        widths = calibrations(name, stored)
        model.card = model.card.model_copy(update={"calibration": widths})
        model.save(SHIPPED / name)
        write_evidence(SHIPPED / name, stored)
        typer.echo(f"{name}: intervals of {', '.join(widths) or 'no rung'} are calibrated")
    write_pages(["model-card"])


def renew_intervals(folder: Path, stored: TransferResults) -> None:
    """Write calibration and evidence of a shipped model from stored results; all else in its card stays as it is."""
    path = folder / CARD
    card = json.loads(path.read_text(encoding="utf-8"))
    widths = calibrations(folder.name, stored)
    card["calibration"] = {rung: calibration.model_dump(mode="json") for rung, calibration in widths.items()}
    write_text(path, json.dumps(card, indent=1, ensure_ascii=False) + "\n")
    write_evidence(folder, stored)


def calibrations(name: str, stored: TransferResults) -> dict[str, IntervalCalibration]:
    """Stored calibrations of a model, by rung."""
    return {c.fidelity: c.calibration for c in stored.calibrations if c.model == name}


def write_evidence(folder: Path, stored: TransferResults) -> None:
    """Write `evidence.json` of a shipped model."""
    write_text(
        folder / EVIDENCE, evidence(folder.name, stored, load_result("out_of_sample")).model_dump_json(indent=1) + "\n"
    )


if __name__ == "__main__":
    typer.run(main)
