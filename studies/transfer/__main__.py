"""The benchmark of the transfer steps and of the recipes of version 0.1.

    python -m studies.transfer --data FOLDER

What is stored is not computed again, and a killed run continues where it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kappatune.errors import UserError
from kappatune.progress import Message, shown_on_stderr
from studies.transfer.benchmark import run_benchmark, run_intervals
from studies.transfer.results import TRANSFER


def main(
    data: Annotated[Path, typer.Option(envvar="KAPPATUNE_DATA", help="Folder of research tables.")],
    results: Annotated[Path, typer.Option(help="File of the results.")] = TRANSFER,
    work: Annotated[Path, typer.Option(help="Folder of trained models and of predictions row by row.")] = Path(
        "runs/benchmark"
    ),
    intervals: Annotated[
        bool, typer.Option("--intervals", help="Only what the intervals on `dft` are calibrated on: an hour.")
    ] = False,
    repeat: Annotated[bool, typer.Option("--repeat", help="Compute three evaluations a second time.")] = False,
    replay: Annotated[
        bool, typer.Option("--replay", help="Replay the paper's released protocol with its faults. Not a result.")
    ] = False,
) -> None:
    """Evaluate the models on splits they have not seen, beside simple baselines: hours on two cores.

    What is stored is not computed again, and a killed run continues where it was. `python -m studies.pages benchmark`
    then writes the page.
    """
    with shown_on_stderr() as on_progress:
        try:
            if intervals:
                run_intervals(data, results, work, on_progress)
                return
            run_benchmark(data, results, work, on_progress, repeated=repeat, replayed=replay)
        except UserError as error:
            on_progress(Message(str(error)))
            raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
