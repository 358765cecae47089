"""The command line: one file per verb."""

from __future__ import annotations

import gc
import os
import sys
from typing import Annotated

import typer

from kappatune import __version__
from kappatune.cli.agl import agl
from kappatune.cli.benchmark import benchmark
from kappatune.cli.data import data
from kappatune.cli.demo import demo
from kappatune.cli.info import info
from kappatune.cli.output import open_closed_streams
from kappatune.cli.predict import predict
from kappatune.cli.rank import rank
from kappatune.cli.ray_option import RayCommand
from kappatune.cli.report import report
from kappatune.cli.screen import screen
from kappatune.cli.serve import serve
from kappatune.cli.suggest import suggest
from kappatune.cli.train import train
from kappatune.cli.verify import verify

app = typer.Typer(
    name="kappatune",
    help="How well does a crystal conduct heat through its lattice? Predict it, and train on your own data.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kappatune {__version__}")
        raise typer.Exit


@app.callback()
def _common_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None: ...


app.command("predict")(predict)
app.command("serve")(serve)
app.command("agl")(agl)
app.command("verify", cls=RayCommand)(verify)
app.command("train")(train)
app.command("screen", cls=RayCommand)(screen)
app.command("rank")(rank)
app.command("suggest")(suggest)
app.command("report")(report)
app.add_typer(data, name="data")
app.command("info")(info)
app.command("demo")(demo)
app.command("benchmark", hidden=True, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(
    benchmark
)


def main() -> None:
    """Entry point. Networks this small run fastest on one thread; OMP_NUM_THREADS overrides this."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    open_closed_streams()
    try:
        app()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno())  # type: ignore[union-attr]
        sys.exit(1)
    finally:
        if "duckdb" not in sys.modules:  # DuckDB reports frozen objects as leaks
            gc.freeze()  # the process ends now: a last search for cycles would cost a second
