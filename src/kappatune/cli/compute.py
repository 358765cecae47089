"""`kappatune data compute`: a low-fidelity data set of our own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kappatune.cli.output import answer_only_stdout, errors_as_messages, note


def compute(
    out: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the parts; existing parts are kept.")],
    parts: Annotated[
        int, typer.Option(min=1, help="Parts in all, of 50 compositions each; the elements are one more.")
    ] = 30,
    calculator: Annotated[
        str, typer.Option(help="`sevennet`, `chgnet`, ... or PATH:FACTORY, as in `kappatune agl`.")
    ] = "sevennet",
    workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
) -> None:
    """Compute crystals and their AGL values from prototypes and elements alone, with an interatomic potential.

    The order of the compositions is fixed, so a larger data set contains the smaller one. After an interruption the
    same command computes the missing parts. To train on the data set, name the folder as a table of a recipe.

    **Examples**

        kappatune data compute prototypes --parts 80 --workers 2
    """
    with answer_only_stdout() as stdout, errors_as_messages():
        from kappatune.data.prototypes.dataset import compute_dataset
        from kappatune.progress import shown_on_stderr

        with shown_on_stderr() as on_progress:
            made = compute_dataset(out, calculator, parts, workers, on_progress)
        stdout.write(f"{out}\n")
    note(f"{made.n_crystals} crystals of {made.n_compositions} compositions, by {made.potential}; left out:")
    for reason, number in made.dropped.items():
        note(f"{number:6d}  {reason}")
