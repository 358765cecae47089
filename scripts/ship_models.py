"""Train the shipped models on all tables, give them the calibration of the benchmark, and write the model card.

    python scripts/ship_models.py --data FOLDER [--work runs]

Resumable. The calibration is what `python -m studies.transfer` found with the same recipe on formulas it had not seen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kappatune.model.bundle import SHIPPED
from kappatune.model.evidence import EVIDENCE
from kappatune.training import train
from studies.pages import write_pages
from studies.transfer.benchmark import MODELS
from studies.transfer.evidence import evidence
from studies.transfer.results import TRANSFER, TransferResults


def main(
    data: Annotated[Path, typer.Option(envvar="KAPPATUNE_DATA")],
    work: Path = Path("runs"),
    results: Path = TRANSFER,
) -> None:
    """Train and ship."""
    stored = TransferResults.read(results)
    for name in MODELS:
        model = train(name, data, work / name, resume=True)
        widths = {c.fidelity: c.calibration for c in stored.calibrations if c.model == name}
        model.card = model.card.model_copy(update={"calibration": widths})
        model.save(SHIPPED / name)
        (SHIPPED / name / EVIDENCE).write_text(
            evidence(name, stored).model_dump_json(indent=1) + "\n", encoding="utf-8"
        )
        typer.echo(f"{name}: intervals of {', '.join(widths) or 'no rung'} are calibrated")
    write_pages(["model-card"])


if __name__ == "__main__":
    typer.run(main)
