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
from kappatune.model.kappa_model import KappaModel
from kappatune.training import train
from studies.transfer.benchmark import MODELS
from studies.transfer.model_card import model_card
from studies.transfer.page import evidence
from studies.transfer.results import Results

CARD = Path("docs/model-card.md")


def main(
    data: Annotated[Path, typer.Option(envvar="KAPPATUNE_DATA")],
    work: Path = Path("runs"),
    results: Path = Path("studies/results/transfer"),
) -> None:
    """Train and ship."""
    stored = Results.read(results)
    cards = []
    for name in MODELS:
        model = train(name, data, work / name, resume=True)
        widths = {c.fidelity: c.calibration for c in stored.calibrations if c.model == name}
        model.card = model.card.model_copy(update={"calibration": widths})
        model.save(SHIPPED / name)
        cards.append(KappaModel.load(name).card)
        (SHIPPED / name / EVIDENCE).write_text(
            evidence(name, stored).model_dump_json(indent=1) + "\n", encoding="utf-8"
        )
        typer.echo(f"{name}: intervals of {', '.join(widths) or 'no rung'} are calibrated")
    CARD.write_text(model_card(cards, stored), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
