"""Train the shipped models on all tables, store them in the package, and write `docs/model-card.md`.

    python scripts/ship_models.py --data FOLDER [--work runs]
    python scripts/ship_models.py --intervals

The second leaves the weights as they are and renews calibration and evidence. Can be stopped and run again. The
calibration of the rungs `agl` and `dft` comes from `python -m studies.phonix.recipes accurate fast`, which trains by
the same recipes and measures the errors on crystals that a model has not seen; that of other rungs from training.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from kappatune.model.bundle import CARD, SHIPPED
from kappatune.model.evidence import EVIDENCE
from kappatune.progress import shown_on_stderr
from kappatune.storage import write_text
from kappatune.training import train
from studies.pages import write_pages
from studies.phonix.evaluations import PHONIX_RESULTS
from studies.phonix.evidence import evidence
from studies.phonix.results import PhonixResults
from studies.shipped_models import MODELS


def main(
    data: Annotated[
        Path | None, typer.Option(envvar="KAPPATUNE_DATA", help="Folder with the tables of the recipes.")
    ] = None,
    work: Annotated[Path, typer.Option(help="Folder of the training runs.")] = Path("runs"),
    results: Annotated[Path, typer.Option(help="Results of the study of recipes.")] = PHONIX_RESULTS,
    intervals: Annotated[bool, typer.Option("--intervals", help="Renew calibration and evidence alone.")] = False,
) -> None:
    """Train the shipped models, calibrate their intervals, and store them with their model card."""
    if data is None and not intervals:
        raise typer.BadParameter("training needs --data FOLDER")
    stored = PhonixResults.read(results)
    for name in MODELS:
        if not intervals:
            with shown_on_stderr() as on_progress:
                train(name, data, work / name, resume=True, on_progress=on_progress).save(SHIPPED / name)
        renew_intervals(SHIPPED / name, stored)
        typer.echo(f"{name}: intervals of {', '.join(stored.interval_calibrations(name)) or 'no rung'} are renewed")
    write_pages(["model-card"])


def renew_intervals(folder: Path, stored: PhonixResults) -> None:
    """Write calibration and evidence of a shipped model from stored results; all else in its card stays as it is."""
    path = folder / CARD
    card = json.loads(path.read_text(encoding="utf-8"))
    widths = stored.interval_calibrations(folder.name)
    card["calibration"] |= {rung: calibration.model_dump(mode="json") for rung, calibration in widths.items()}
    write_text(path, json.dumps(card, indent=1, ensure_ascii=False) + "\n")
    write_text(folder / EVIDENCE, evidence(folder.name, stored).model_dump_json(indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
