"""`kappatune agl`: conductivity from a potential, by the Debye-Grüneisen model."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO, cast

import typer

from kappatune.cli.output import (
    EXIT_SOME_WITHOUT_ANSWER,
    Form,
    answer_stream,
    chosen_form,
    plain_errors,
    tell,
)

if TYPE_CHECKING:
    from kappatune.agl_workflow import AglResult


def agl(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="CIF, POSCAR/CONTCAR, extxyz, pymatgen JSON, tables (.parquet, .jsonl, .csv), folders or 'globs'.",
        ),
    ],
    calculator: Annotated[
        str,
        typer.Option(
            help="`chgnet`, `sevennet`, `sevennet-l3i5`, `mace`, `nequix`, or PATH:FACTORY, where FACTORY() of a "
            "module or of a .py file returns an ASE calculator."
        ),
    ] = "chgnet",
    temperatures: Annotated[
        str, typer.Option(metavar="FIRST:LAST:STEP", help="Temperatures of kappa(T), K; or a list as `300,600`.")
    ] = "100:1000:50",
    poisson: Annotated[
        str,
        typer.Option(
            metavar="auto|elastic|network|RATIO",
            help="Where the Poisson ratio comes from: `elastic`, the potential's elastic constants; `network`, the "
            "shipped networks for elastic moduli; a number: no elastic constants then. `auto`: elastic constants are "
            "computed, and the networks give the ratio where the potential is known to be soft in shear.",
        ),
    ] = "auto",
    plot: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write a PNG per crystal with E(V) and kappa(T).")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, one object per crystal.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one line per crystal, without kappa(T).")] = False,
) -> None:
    """Compute the conductivity of any crystal with an interatomic potential, in W/(m K).

    The crystal is relaxed, its energy against volume and its elastic constants give Debye temperature and
    Grüneisen parameter, and these kappa, as in AFLOW's AGL. Every crystal gets one row, in order. One that
    cannot be judged (no minimum, mechanically unstable, ...) has no number but a reason, and the rest goes on.

    Exit code: 0 all answered, 3 finished but some rows have no answer, 1 could not run, 2 usage.

    Examples:
        kappatune agl mgo.cif

        kappatune agl structures/ --calculator sevennet --workers 4 --csv > agl.csv

        kappatune agl POSCAR --calculator my_potential.py:make --temperatures 200:800:100 --plot figures
    """
    form = chosen_form(as_json, as_csv)
    grid = _temperatures(temperatures)
    source = _poisson(poisson)
    with answer_stream() as answer, plain_errors():
        from kappatune.agl_workflow import AglSettings, iter_agl
        from kappatune.structures import read_crystals

        settings = AglSettings(temperatures_k=grid, poisson=source)
        rows = iter_agl(read_crystals(files), calculator, settings, workers)
        counts = [0, 0]
        kept = _counted(_plotted(rows, plot), counts)
        {Form.TABLE: _write_table, Form.JSON: _write_json, Form.CSV: _write_csv}[form](kept, answer)
    if counts[1]:
        tell(f"{counts[1]} of {counts[0]} crystals have no answer; the column 'reason' says why")
        raise typer.Exit(EXIT_SOME_WITHOUT_ANSWER)


def _temperatures(text: str) -> tuple[float, ...]:
    try:
        if ":" in text:
            first, last, step = map(float, text.split(":"))
            if not (0 < first <= last and step > 0 and (last - first) / step < 10_000):
                raise ValueError
            n = int((last - first) / step + 1e-9)
            return tuple(first + k * step for k in range(n + 1))
        values = tuple(float(word) for word in text.split(","))
        if not all(0 < value < float("inf") for value in values):
            raise ValueError
        return values
    except ValueError as error:
        raise typer.BadParameter(
            f"'{text}' are no temperatures: give FIRST:LAST:STEP or a list, in K above 0, as 100:1000:50 or 300,600"
        ) from error


def _poisson(text: str) -> Literal["auto", "elastic", "network"] | float:
    if text in ("auto", "elastic", "network"):
        return cast(Literal["auto", "elastic", "network"], text)
    try:
        ratio = float(text)
    except ValueError as error:
        raise typer.BadParameter(f"'{text}': give auto, elastic, network or a number") from error
    if not -1.0 < ratio < 0.5:
        raise typer.BadParameter(f"a Poisson ratio lies between -1 and 0.5, not at {ratio:g}")
    return ratio


def _plotted(rows: Iterable[AglResult], folder: Path | None) -> Iterator[AglResult]:
    for index, row in enumerate(rows, 1):
        if folder and row.kappa_w_mk is not None:
            from kappatune.agl_workflow.plot import plot_agl

            plot_agl(row, folder, index)
        yield row


def _counted(rows: Iterable[AglResult], counts: list[int]) -> Iterator[AglResult]:
    for row in rows:
        counts[0] += 1
        counts[1] += row.kappa_w_mk is None
        yield row


def _write_json(rows: Iterable[AglResult], answer: TextIO) -> None:
    answer.write("[")
    for index, row in enumerate(rows):
        answer.write(("," if index else "") + "\n " + row.model_dump_json())
        answer.flush()
    answer.write("\n]\n")


def _write_csv(rows: Iterable[AglResult], answer: TextIO) -> None:
    from kappatune.agl_workflow import CURVES, AglResult

    writer = csv.writer(answer, lineterminator="\n")
    writer.writerow(name for name in AglResult.model_fields if name not in CURVES)
    for row in rows:
        values = row.model_dump(exclude=set(CURVES)) | {"warnings": "; ".join(row.warnings)}
        writer.writerow("" if value is None else value for value in values.values())
        answer.flush()


def _write_table(rows: Iterable[AglResult], answer: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("crystal", overflow="fold")
    table.add_column("formula")
    for name in ("κ, W/(m K)", "θ, K", "γ", "B, GPa", "G, GPa", "Poisson"):
        table.add_column(name, justify="right")
    table.add_column("remark", overflow="fold", ratio=1)
    for row in rows:
        numbers = (
            (row.kappa_w_mk, ".3g"),
            (row.debye_temperature_k, ".0f"),
            (row.gruneisen, ".2f"),
            (row.bulk_modulus_gpa, ".0f"),
            (row.shear_modulus_gpa, ".0f"),
            (row.poisson_ratio, ".2f"),
        )
        table.add_row(
            Text(row.id),
            Text(row.formula or ""),
            *("–" if value is None else format(value, form) for value, form in numbers),
            Text(row.reason or "; ".join(row.warnings)),
        )
    console = Console(file=answer, width=None if answer.isatty() else 140)
    console.print(table)
