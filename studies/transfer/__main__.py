"""`python -m studies.transfer`: how good the models are, cell by cell."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kappatune.cli.output import errors_as_messages, note
from studies.transfer.benchmark import run_benchmark
from studies.transfer.figures import draw
from studies.transfer.page import page as written
from studies.transfer.research_tables import MissingResearchTable
from studies.transfer.results import Results


def main(
    data: Annotated[
        Path | None,
        typer.Option(envvar="KAPPATUNE_DATA", help="Folder with the research tables. Without it, only the page."),
    ] = None,
    results: Annotated[Path, typer.Option(help="Folder of the results, a JSON file per cell.")] = Path(
        "studies/results/transfer"
    ),
    work: Annotated[Path, typer.Option(help="Folder of trained rungs and of predictions row by row.")] = Path(
        "runs/benchmark"
    ),
    page: Annotated[Path, typer.Option(help="The page made from the results, with figures beside it.")] = Path(
        "docs/benchmark.md"
    ),
    repeat: Annotated[bool, typer.Option("--repeat", help="Train three cells a second time and compare.")] = False,
    replay: Annotated[
        bool, typer.Option("--replay", help="Replay the paper's released protocol with its faults. Not a result.")
    ] = False,
) -> None:
    """Measure the models on splits they have not seen, beside simple baselines, and write a page.

    What is stored is not computed again, and a killed run goes on where it was.

    Examples:
        python -m studies.transfer --data tables/
    """
    with errors_as_messages():
        if data is not None:
            run_benchmark(data, results, work, note, repeats=repeat, replayed=replay)
        stored = Results.read(results)
        if not stored.cells:
            raise MissingResearchTable(f"{results} holds no result: give --data FOLDER with the research tables")
        draw(stored, page.parent / "figures")
        page.write_text(written(stored), encoding="utf-8")
    note(f"{page} from {len(stored.cells)} cells")


if __name__ == "__main__":
    typer.run(main)
