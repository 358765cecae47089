"""`kappatune benchmark`: how good the models are, cell by cell."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kappatune.cli.output import plain_errors, tell


def benchmark(
    data: Annotated[
        Path | None,
        typer.Option(envvar="KAPPATUNE_DATA", help="Folder with the research tables. Without it, only the page."),
    ] = None,
    results: Annotated[Path, typer.Option(help="Folder of the results, a JSON file per cell.")] = Path(
        "benchmarks/results/transfer"
    ),
    work: Annotated[Path, typer.Option(help="Folder of trained rungs and of predictions row by row.")] = Path(
        "runs/benchmark"
    ),
    page: Annotated[Path, typer.Option(help="The page made from the results.")] = Path("docs/benchmark.md"),
) -> None:
    """Measure the models on splits they have not seen, beside simple baselines, and write a page.

    What is stored is not computed again, and a killed run goes on where it was.

    Examples:
        kappatune benchmark --data tables/
    """
    with plain_errors():
        from kappatune.evaluate.benchmark import CALIBRATIONS, read_calibrations, run_benchmark
        from kappatune.evaluate.cells import read_cells
        from kappatune.evaluate.page import page as written
        from kappatune.evaluate.research import NoResearchData

        if data is not None:
            run_benchmark(data, results, work, tell)
        cells = read_cells(results)
        if not cells:
            raise NoResearchData(f"{results} holds no result: give --data FOLDER with the research tables")
        calibrations = read_calibrations(results) if (results / CALIBRATIONS).is_file() else []
        page.write_text(written(cells, calibrations), encoding="utf-8")
    tell(f"{page} from {len(cells)} cells")
