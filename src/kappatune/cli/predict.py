"""`kappatune predict`: conductivity of crystals from files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kappatune.cli.intervals import note_intervals
from kappatune.cli.options import AsCsv, AsJson, Files, check_files, read_files
from kappatune.cli.output import answer_only_stdout, chosen_format, errors_as_messages, exit_if_unanswered
from kappatune.cli.remarks import RemarkNotes, kinds
from kappatune.cli.temperatures import TEMPERATURES_HELP, TEMPERATURES_METAVAR, parse_temperatures
from kappatune.cli.writers import Column, Layout, OutputFormat, interval, number, write_rows, yes_or_no

if TYPE_CHECKING:
    from kappatune.model.prediction import Prediction


def predict(
    files: Files,
    model: Annotated[str, typer.Option(help="`accurate`, `fast`, or the folder of your own model.")] = "accurate",
    fidelity: Annotated[
        str | None,
        typer.Option(
            help="Rung to predict: `dft`, `agl` (AFLOW's value; the commands `agl` and `verify` compute others: "
            "docs/agl.md, Three AGL values), ... [default: that of the model, `dft` in shipped ones]"
        ),
    ] = None,
    temperature: Annotated[
        str,
        typer.Option(
            metavar=TEMPERATURES_METAVAR,
            help=f"Temperatures, K: {TEMPERATURES_HELP}. kappa is that at 300 K times 300/T; a row below a "
            "third of the acoustic Debye temperature says so, errors at high temperature are not flagged.",
        ),
    ] = "300",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Predict the lattice thermal conductivity, at 300 K or other temperatures, in W/(m K).

    Every crystal of every file gets one row per temperature, in order. A crystal that cannot be predicted gets a
    reason instead of a number, and the others are still predicted. Only the rows go to stdout.

    kappa is the mean of the tensor's xx, yy and zz. What it does not say (layers, molecules, metals, glasses, a formula
    that differs from the atoms) stands in the remarks; below the table each kind is explained once.

    Exit code: 0 all answered, 3 finished but some rows have no answer, 1 could not run, 2 usage.

    **Examples**

        kappatune predict mgo.cif
        kappatune predict structures/ --csv > kappa.csv
        kappatune predict POSCAR --fidelity agl --json
        cat mgo.cif | kappatune predict - --temperature 300:800:100
    """
    output_format = chosen_format(as_json, as_csv)
    temperatures = parse_temperatures(temperature)
    check_files(files)
    with answer_only_stdout() as stdout, errors_as_messages():
        from kappatune.model.kappa_model import KappaModel
        from kappatune.model.prediction import Prediction

        layout = Layout(
            Prediction,
            [
                Column("crystal", "id"),
                Column("formula", "formula"),
                Column("T, K", lambda row: number(row.temperature_k, "g"), right=True),
                Column("κ, W/(m K)", lambda row: number(row.kappa_w_mk), right=True),
                Column("interval", lambda row: interval(row.lower_w_mk, row.upper_w_mk), right=True),
                Column("in domain", lambda row: yes_or_no(row.in_domain)),
                Column("remark", _remark, fill=True),
            ],
            value="kappa_w_mk",
        )
        loaded = KappaModel.load(model)
        rows = loaded.predict_stream(read_files(files), fidelity, temperatures)
        notes = RemarkNotes()
        counts = write_rows(notes.collected(rows), layout, output_format, stdout)
    if output_format is OutputFormat.TABLE:
        notes.print()
        note_intervals({loaded.card.interval_kind(fidelity or loaded.default_fidelity)})
    exit_if_unanswered(counts)


def _remark(row: Prediction) -> str:
    return "; ".join(filter(None, (row.reason, kinds(row))))
