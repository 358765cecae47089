"""`kappatune agl`: conductivity from a potential, by the Debye-Grüneisen model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from kappatune.cli.options import AsCsvWithoutCurves, AsJson, Files, PotentialOption, check_files, read_files
from kappatune.cli.output import answer_only_stdout, chosen_format, errors_as_messages, exit_if_unanswered
from kappatune.cli.temperatures import TEMPERATURES_HELP, TEMPERATURES_METAVAR, parse_temperatures
from kappatune.cli.writers import Column, Layout, interval, number, write_rows

if TYPE_CHECKING:
    from kappatune.agl_workflow import AglResult


def agl(
    files: Files,
    calculator: PotentialOption = "chgnet",
    temperatures: Annotated[
        str, typer.Option(metavar=TEMPERATURES_METAVAR, help=f"Temperatures of kappa(T), K: {TEMPERATURES_HELP}.")
    ] = "100:1000:50",
    poisson: Annotated[
        str,
        typer.Option(
            metavar="auto|elastic|network|RATIO",
            help="Source of the Poisson ratio: `elastic`, the potential's elastic constants; `network`, the "
            "shipped networks for elastic moduli; a number. The last two compute no elastic constants. `auto` computes "
            "them, and takes the ratio from the networks if the potential is known to be too soft in shear.",
        ),
    ] = "auto",
    plot: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write a PNG per crystal with E(V) and kappa(T).")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
    as_json: AsJson = False,
    as_csv: AsCsvWithoutCurves = False,
) -> None:
    """Compute the conductivity of any crystal with an interatomic potential, in W/(m K).

    The crystal is relaxed. Its energy against volume and its elastic constants give the Debye temperature and the
    Grüneisen parameter, and these give kappa, as in AFLOW's AGL. Below kappa stands the interval that is meant to hold
    nine in ten of AFLOW's values, for potentials that were compared with them. Every crystal gets one row, in order.
    One that cannot be computed (no minimum, mechanically unstable, ...) gets a reason instead of a number, and the
    others are still computed. `predict --fidelity agl` and `verify` give other AGL values: docs/agl.md, Three AGL
    values, says why.

    Exit code: 0 all answered, 3 finished but some rows have no answer, 1 could not run, 2 usage.

    **Examples**

        kappatune agl mgo.cif
        kappatune agl structures/ --calculator sevennet --workers 4 --csv > agl.csv
        kappatune agl POSCAR --calculator my_potential.py:make --temperatures 200:800:100 --plot figures
    """
    output_format = chosen_format(as_json, as_csv)
    temperatures_k = parse_temperatures(temperatures)
    poisson_source = _poisson(poisson)
    check_files(files)
    with answer_only_stdout() as stdout, errors_as_messages():
        from kappatune.agl_workflow import CURVES, AglResult, AglSettings, iter_agl

        layout = Layout(
            AglResult,
            [
                Column("crystal", "id"),
                Column("formula", "formula"),
                Column("κ, W/(m K)", _kappa, right=True),
                Column("θ, K", lambda row: number(row.debye_temperature_k, ".0f"), right=True),
                Column("γ", lambda row: number(row.gruneisen, ".2f"), right=True),
                Column("B, GPa", lambda row: number(row.bulk_modulus_gpa, ".0f"), right=True),
                Column("G, GPa", lambda row: number(row.shear_modulus_gpa, ".0f"), right=True),
                Column("Poisson", lambda row: number(row.poisson_ratio, ".2f"), right=True),
                Column("remark", lambda row: row.reason or "; ".join(row.warnings), fill=True),
            ],
            value="kappa_w_mk",
            not_in_csv=frozenset(CURVES),
        )
        settings = AglSettings(temperatures_k=temperatures_k, poisson=poisson_source)
        rows = iter_agl(read_files(files), calculator, settings, workers)
        counts = write_rows(_plotted(rows, plot) if plot else rows, layout, output_format, stdout)
    exit_if_unanswered(counts)


def _kappa(row: AglResult) -> str:
    shown = number(row.kappa_w_mk)
    return f"{shown}\n{interval(row.lower_w_mk, row.upper_w_mk)}" if row.lower_w_mk else shown


def _poisson(text: str) -> Literal["auto", "elastic", "network"] | float:
    if text in ("auto", "elastic", "network"):
        return cast(Literal["auto", "elastic", "network"], text)
    try:
        ratio = float(text)
    except ValueError as error:
        raise typer.BadParameter(f"'{text}': give auto, elastic, network or a number") from error
    if not -1.0 < ratio < 0.5:
        raise typer.BadParameter(f"the Poisson ratio must lie between -1 and 0.5, not {ratio:g}")
    return ratio


def _plotted(rows: Iterable[AglResult], folder: Path) -> Iterator[AglResult]:
    from kappatune.agl_workflow.plot import plot_agl
    from kappatune.storage import make_folder

    make_folder(folder)
    for index, row in enumerate(rows, 1):
        if row.kappa_w_mk is not None:
            plot_agl(row, folder, index)
        yield row
