"""Write the generated pages of the docs, with their figures, from stored results alone.

    python -m studies.pages [accuracy] [benchmark] [what-helps] [model-card] [textbook] [speed] [candidates] [lowest]
        [verified] [calibration] [fewer-forces] [agl-calibration]

Figures that show values which may not be passed on, or single runs that are not stored, are drawn by the study itself:
`calibration.png`, `candidates.png`, `verified_showcase.png`, `agl_engine_*.png`, `prototypes_aflow.png`,
`suggest_aflow.png` and `verify_l96_*.png`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer

from kappatune.model.card import ModelCard
from kappatune.model.kappa_model import KappaModel
from kappatune.storage import write_text
from studies.agl.calibration_page import agl_calibration_page
from studies.markdown import DOCS
from studies.phonix.accuracy_page import accuracy_page
from studies.phonix.cheap_stages import TrainedStage
from studies.phonix.curves_section import Curves, draw_curves
from studies.phonix.family_curves import FAMILY_CURVES, FamilyCell
from studies.phonix.family_curves_section import FamilyCurves
from studies.phonix.learning_curves import CURVES, CurveCell
from studies.phonix.model_card import model_card
from studies.phonix.reproducibility import AGAIN
from studies.phonix.results import PhonixResults
from studies.phonix.stage_curves_section import SHOWN, stages_section
from studies.phonons.calibration_page import calibration_page
from studies.phonons.fewer_forces import FEWER_FORCES, Comparison
from studies.phonons.fewer_forces_page import fewer_forces_page
from studies.phonons.verified_page import verified_page
from studies.screening.candidates_page import candidates_page
from studies.screening.lowest_page import lowest_page
from studies.shipped_models import MODELS
from studies.speed.speed_page import speed_page, stored_timings
from studies.speed.weights import shipped_weights
from studies.store import RecordFile, load_result
from studies.textbook_page import textbook_page
from studies.transfer.benchmark_page import benchmark_page
from studies.transfer.figures import draw
from studies.transfer.results import TransferResults
from studies.transfer.what_helps_page import what_helps_page


def _accuracy(_: Path) -> str:
    agreement, continuity = load_result("labels")["agreement"], load_result("continuity")
    transfer, again = TransferResults.read().evaluations, load_result(AGAIN)
    return accuracy_page(PhonixResults.read(), transfer, agreement, continuity, again)


def _benchmark(docs: Path) -> str:
    results = TransferResults.read()
    draw(results, docs / "figures")
    return benchmark_page(results, load_result("labels"))


def _cards() -> list[ModelCard]:
    return [KappaModel.load(name).card for name in MODELS]


def _what_helps(docs: Path) -> str:
    names = ("labels", "averaging", "starter_host")
    others = {name: load_result(name) for name in names}
    store = RecordFile(CURVES)
    curves = Curves(store.read(CurveCell))
    if not curves.answer_the_question:
        return what_helps_page(TransferResults.read(), PhonixResults.read(), others)
    draw_curves(curves, docs / "figures")
    families = FamilyCurves(RecordFile(FAMILY_CURVES).read(FamilyCell))
    stages = stages_section(Curves(store.read(CurveCell), SHOWN), store.read(TrainedStage))
    return what_helps_page(TransferResults.read(), PhonixResults.read(), others, curves, families, stages)


PAGES: dict[str, Callable[[Path], str]] = {
    "accuracy": _accuracy,
    "benchmark": _benchmark,
    "what-helps": _what_helps,
    "model-card": lambda _: model_card(_cards(), PhonixResults.read()),
    "textbook": lambda _: textbook_page(_cards()),
    "speed": lambda _: speed_page(stored_timings(), shipped_weights()),
    "candidates": lambda _: candidates_page(),
    "lowest": lambda _: lowest_page(),
    "verified": lambda _: verified_page(),
    "calibration": lambda _: calibration_page(load_result("calibration")),
    "agl-calibration": lambda _: agl_calibration_page(load_result("agl_calibration")),
    "fewer-forces": lambda _: fewer_forces_page(RecordFile(FEWER_FORCES).read(Comparison)),
}
"""Makes the text of a page, and draws its figures below the folder of the docs."""


def write_pages(names: Iterable[str], docs: Path = DOCS) -> list[Path]:
    """Write some pages.

    Args:
        names: Names of pages, without `.md`.
        docs: Folder of the docs.

    Returns:
        The pages.
    """
    written = []
    for name in names:
        path = docs / f"{name}.md"
        write_text(path, PAGES[name](docs))
        written.append(path)
    return written


def main(
    pages: Annotated[list[str] | None, typer.Argument(help=f"Of {', '.join(PAGES)}; all by default.")] = None,
    docs: Annotated[Path, typer.Option(help="Folder of the docs.")] = DOCS,
) -> None:
    """Write generated pages and their figures from stored results, in seconds."""
    unknown = [name for name in pages or () if name not in PAGES]
    if unknown:
        raise typer.BadParameter(f"no generated page is called {unknown[0]}; there are {', '.join(PAGES)}")
    for path in write_pages(pages or PAGES, docs):
        typer.echo(path)


if __name__ == "__main__":
    typer.run(main)
