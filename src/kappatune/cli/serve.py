"""`kappatune serve`: the page and the HTTP API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kappatune.cli.options import PotentialOption
from kappatune.cli.output import errors_as_messages, fail, note
from kappatune.errors import install_hint


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 means every address of this machine.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
    model: Annotated[str, typer.Option(help="`accurate`, `fast`, or the folder of your own model.")] = "accurate",
    scan: Annotated[Path | None, typer.Option(help="Folder of a scan to explore, made by `kappatune screen`.")] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Table of labelled crystals to compare with, besides the shipped ones.")
    ] = None,
    token: Annotated[
        str | None, typer.Option(envvar="KAPPATUNE_TOKEN", help="Token that programs and the page must send.")
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep answered crystals there, so that links to them survive a restart."),
    ] = None,
    compute: Annotated[
        bool, typer.Option("--compute", help="Offer AGL and verification by phonons, computed on this machine.")
    ] = False,
    calculator: PotentialOption = "best",
    workers: Annotated[
        int, typer.Option(min=1, help="Computations at the same time, each in a process on one core.")
    ] = 1,
    jobs: Annotated[Path, typer.Option(metavar="DIR", help="Where computations and their results are kept.")] = Path(
        "runs/jobs"
    ),
    max_atoms: Annotated[int, typer.Option(min=1, help="Most atoms of a cell that is computed.")] = 100,
    max_forces: Annotated[int, typer.Option(min=1, help="Most force calculations of a verification.")] = 4000,
    max_queue: Annotated[int, typer.Option(min=1, help="Computations that may wait.")] = 20,
) -> None:
    """Serve a web page that predicts crystals and explores scans, and an HTTP API for programs.

    It is reachable only from this machine unless --host is given, and needs no network. The address goes to stderr;
    Ctrl+C stops it.

    **Examples**

        kappatune serve
        kappatune serve --scan my-scan --port 8080
        kappatune serve --compute --keep crystals
    """
    with errors_as_messages():
        try:
            from kappatune.jobs.limits import JobLimits
            from kappatune.web.server import run_server
            from kappatune.web.service import Compute
        except ModuleNotFoundError as error:
            fail(f"the page needs packages that are not installed ({error.name}): {install_hint('web')}")
        limits = JobLimits(atoms=max_atoms, forces=max_forces, queue=max_queue)
        run_server(
            host,
            port,
            model=model,
            scan=scan,
            labels=labels,
            token=token,
            keep=keep,
            compute=Compute(jobs, calculator, workers, limits) if compute else None,
            on_progress=lambda event: note(str(event)),
        )
