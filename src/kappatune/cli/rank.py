"""`kappatune rank`: the crystals of a scan that matter."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from kappatune.cli.output import Form, answer_stream, chosen_form, fail, plain_errors, tell

if TYPE_CHECKING:
    from kappatune.screen.rank import RankedCrystal, RankSettings


def rank(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a scan, as `screen --out` made it.")],
    highest: Annotated[bool, typer.Option("--highest/--lowest", help="Which conductivity comes first.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Most crystals to show.")] = 20,
    elements: Annotated[
        list[str] | None, typer.Option(help="Elements that must all be there, as `Pb,Te`.", metavar="SYMBOLS")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(help="Elements of which none may be there.", metavar="SYMBOLS")
    ] = None,
    min_atoms: Annotated[int | None, typer.Option(min=1, help="Fewest atoms in the cell.")] = None,
    max_atoms: Annotated[int | None, typer.Option(min=1, help="Most atoms in the cell.")] = None,
    max_upper: Annotated[float | None, typer.Option(help="Highest upper end of the interval, W/(m K).")] = None,
    min_lower: Annotated[float | None, typer.Option(help="Lowest lower end of the interval, W/(m K).")] = None,
    in_domain: Annotated[bool, typer.Option("--in-domain", help="Only crystals in the model's domain.")] = False,
    prototype: Annotated[
        list[str] | None, typer.Option(help="Allowed anonymous formulas, as `AB,ABC3`.", metavar="FORMULAS")
    ] = None,
    novel: Annotated[bool, typer.Option("--novel", help="Only formulas in no rung's training data.")] = False,
    agree_below: Annotated[
        float | None,
        typer.Option(
            metavar="VALUE",
            help="Only crystals for which every member is below VALUE, W/(m K), "
            "those with the smallest relative spread of the members first.",
        ),
    ] = None,
    diverse: Annotated[
        bool,
        typer.Option("--diverse", help="A spread of chemistries: new sets of elements first, no element too often."),
    ] = False,
    cif: Annotated[Path | None, typer.Option(help="New folder for CIFs of the winners.", metavar="FOLDER")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, one object per crystal.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one line per crystal.")] = False,
) -> None:
    """List the crystals of a scan with the lowest or highest conductivity at 300 K, in W/(m K).

    Crystals without an answer take no part, and equal structures appear once. A scan that is still
    running, or was interrupted, is ranked as far as it has come.

    Exit code: 0 ranked, even if nothing passed the filters, 1 could not run, 2 usage.

    Examples:
        kappatune rank my-scan --max-upper 1.0 --in-domain --novel

        kappatune rank my-scan --agree-below 1.0 --diverse -n 50 --csv > candidates.csv

        kappatune rank my-scan --highest --without Be,C --prototype AB --cif winners
    """
    form = chosen_form(as_json, as_csv)
    settings = _settings(
        order="highest" if highest else "lowest",
        limit=limit,
        elements=_split(elements),
        without=_split(without),
        min_atoms=min_atoms,
        max_atoms=max_atoms,
        max_upper=max_upper,
        min_lower=min_lower,
        in_domain_only=in_domain,
        prototypes=_split(prototype),
        novel=novel,
        agree_below=agree_below,
        diverse=diverse,
    )
    with answer_stream() as answer, plain_errors():
        from kappatune.screen.rank import rank, scan_is_complete, write_cifs

        if cif and cif.exists() and (not cif.is_dir() or any(cif.iterdir())):
            fail(f"{cif}: exists already and is no empty folder: give a new one for the CIFs")
        rows = rank(folder, settings)
        if cif and rows:
            tell(f"{len(write_cifs(rows, cif))} CIFs in {cif}")
        {Form.TABLE: _write_table, Form.JSON: _write_json, Form.CSV: _write_csv}[form](rows, answer)
    if not rows:
        tell("no crystal of the scan passes: loosen the filters")
    if not scan_is_complete(folder):
        tell(f"{folder}: the scan is not complete, so better crystals may be missing; finish it with screen --resume")


def _settings(**values: Any) -> RankSettings:
    from pydantic import ValidationError

    from kappatune.screen.rank import RankSettings

    try:
        return RankSettings(**values)
    except ValidationError as error:
        faults = [(".".join(map(str, e["loc"])), e["msg"].removeprefix("Value error, ")) for e in error.errors()]
        raise typer.BadParameter("; ".join(f"{where}: {what}" if where else what for where, what in faults)) from error


def _split(values: list[str] | None) -> list[str]:
    return [word for value in values or () for word in value.replace(",", " ").split()]


def _write_json(rows: list[RankedCrystal], answer: TextIO) -> None:
    answer.write("[" + ",".join("\n " + row.model_dump_json() for row in rows) + "\n]\n")


def _write_csv(rows: list[RankedCrystal], answer: TextIO) -> None:
    from kappatune.screen.rank import RankedCrystal

    writer = csv.writer(answer, lineterminator="\n")
    writer.writerow(name for name, field in RankedCrystal.model_fields.items() if not field.exclude)
    for row in rows:
        values = row.model_dump() | {"known_rungs": " ".join(row.known_rungs or ())}
        writer.writerow("" if value is None else value for value in values.values())


def _write_table(rows: list[RankedCrystal], answer: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("", justify="right")
    table.add_column("crystal", overflow="fold")
    table.add_column("formula", overflow="fold")
    for name in ("atoms", "κ, W/(m K)", "interval", "highest member", "relative spread"):
        table.add_column(name, justify="right")
    table.add_column("in domain")
    table.add_column("formula known from", overflow="fold")
    for place, row in enumerate(rows, 1):
        has_interval = row.lower_w_mk is not None and row.upper_w_mk is not None
        table.add_row(
            str(place),
            Text(row.id),
            Text(row.formula or ""),
            "" if row.n_atoms is None else str(row.n_atoms),
            f"{row.kappa_w_mk:.3g}",
            f"{row.lower_w_mk:.3g} to {row.upper_w_mk:.3g}" if has_interval else "",
            "" if row.max_member_w_mk is None else f"{row.max_member_w_mk:.3g}",
            "" if row.relative_spread is None else f"{row.relative_spread:.1%}",
            {None: "", True: "yes", False: "no"}[row.in_domain],
            Text(", ".join(row.known_rungs or ()) or "no rung"),
        )
    console = Console(file=answer, width=None if answer.isatty() else 140)
    console.print(table)
