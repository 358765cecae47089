"""`kappatune screen`: predict whole databases."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from kappatune.cli.output import answer_only_stdout, errors_as_messages, note
from kappatune.cli.ray_option import RayOption


def screen(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="Folders, files or 'globs': CIF, POSCAR, JSON, extxyz, tables (.parquet, .jsonl, .csv), ASE .db; "
            "an OPTIMADE provider's URL; a .csv of Materials Project ids.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the result.")],
    model: Annotated[str, typer.Option(help="`fast`, `accurate`, or the folder of your own model.")] = "fast",
    fidelity: Annotated[
        str | None, typer.Option(help="Rung to predict. [default: that of the model, `dft` in shipped ones]")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Table of labelled crystals to find the nearest in. [default: textbook values]")
    ] = None,
    filter: Annotated[
        str | None, typer.Option(help="OPTIMADE filter for the URLs, such as 'elements HAS \"Te\" AND nsites<20'.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes. [default: one per CPU]")] = None,
    ray: RayOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the scan in --out.")] = False,
) -> None:
    """Scan databases of crystals into a Parquet table, one row per crystal.

    The sources are read as a stream, so their size does not matter. The scan can be killed at any moment, and continues
    with `--resume`. A crystal without an answer gets a row with the reason. Then use `kappatune rank DIR`, `kappatune
    suggest DIR` and `kappatune report DIR`, or open the folder with `pyarrow.dataset`, pandas or DuckDB.

    Exit code: 0 when every input has its row, 1 could not run or continue, 2 usage.

    **Examples**

        kappatune screen structures/ --out scan
        kappatune screen pool.parquet --out scan --resume
        kappatune screen https://optimade.materialsproject.org --filter 'elements HAS "Te"' --out tellurides
    """
    with answer_only_stdout() as stdout, errors_as_messages():
        from kappatune.screening import screen as screen_sources

        command = ["kappatune", "screen", *sources, "--out", str(out), "--model", model]
        command += ["--filter", filter] if filter else []
        result = screen_sources(
            sources,
            out,
            model,
            fidelity=fidelity,
            labels=labels,
            filter=filter,
            workers=workers,
            ray=ray,
            resume=resume,
            command=shlex.join(command),
        )
        stdout.write(f"{out}\n")
    note(f"{result.n_rows} crystals, {result.n_answered} of them answered")
