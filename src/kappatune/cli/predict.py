"""`kappatune predict`: conductivity of crystals from files."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from kappatune.cli.output import (
    EXIT_SOME_WITHOUT_ANSWER,
    answer_stream,
    chosen_form,
    plain_errors,
    tell,
    write_rows,
)


def predict(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="CIF, POSCAR/CONTCAR, extxyz, pymatgen JSON, tables (.parquet, .jsonl, .csv), folders or 'globs'.",
        ),
    ],
    model: Annotated[str, typer.Option(help="`accurate`, `fast`, or the folder of a model of yours.")] = "accurate",
    fidelity: Annotated[
        str | None,
        typer.Option(help="Rung whose value is wanted: `dft`, `agl`, ... [default: the model's last rung]"),
    ] = None,
    temperature: Annotated[
        float,
        typer.Option(
            help="Temperature, K. From 300 K, kappa is taken to fall as 1/T; where that fails, the row says so."
        ),
    ] = 300.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, one object per crystal.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one line per crystal.")] = False,
) -> None:
    """Predict the lattice thermal conductivity, at 300 K or another temperature, in W/(m K).

    Every crystal of every file gets one row, in order. One that cannot be judged has no number but a
    reason, and the rest goes on. Nothing but the answer goes to stdout.

    Exit code: 0 all answered, 3 finished but some rows have no answer, 1 could not run, 2 usage.

    Examples:
        kappatune predict mgo.cif

        kappatune predict structures/ --csv > kappa.csv

        kappatune predict POSCAR --fidelity agl --json

        kappatune predict mgo.cif --temperature 800
    """
    form = chosen_form(as_json, as_csv)
    if not 0 < temperature < math.inf:
        raise typer.BadParameter(f"a temperature lies above 0 K, not at {temperature:g}")
    with answer_stream() as answer, plain_errors():
        from kappatune.model.kappa_model import KappaModel

        rows = KappaModel.load(model).predict_stream(files, fidelity, temperature)
        n_rows, n_unanswered = write_rows(rows, form, answer)
    if n_unanswered:
        tell(f"{n_unanswered} of {n_rows} crystals have no answer; the column 'reason' says why")
        raise typer.Exit(EXIT_SOME_WITHOUT_ANSWER)
