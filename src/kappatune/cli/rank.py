"""`kappatune rank`: the crystals of a scan that matter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from kappatune.cli.output import Form, answer_stream, chosen_form, plain_errors, tell
from kappatune.cli.ranked import (
    AsCsv,
    AsJson,
    CifFolder,
    Elements,
    Folder,
    MaxAtoms,
    MinAtoms,
    Novel,
    Prototype,
    Without,
    check_cif_folder,
    valid_settings,
    words,
    write_csv,
    write_json,
)

if TYPE_CHECKING:
    from kappatune.screening.ranking import RankedCrystal


def rank(
    folder: Folder,
    highest: Annotated[bool, typer.Option("--highest/--lowest", help="Which conductivity comes first.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Most crystals to show.")] = 20,
    elements: Elements = None,
    without: Without = None,
    min_atoms: MinAtoms = None,
    max_atoms: MaxAtoms = None,
    max_upper: Annotated[float | None, typer.Option(help="Highest upper end of the interval, W/(m K).")] = None,
    min_lower: Annotated[float | None, typer.Option(help="Lowest lower end of the interval, W/(m K).")] = None,
    in_domain: Annotated[bool, typer.Option("--in-domain", help="Only crystals in the model's domain.")] = False,
    prototype: Prototype = None,
    novel: Novel = False,
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
    cif: CifFolder = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
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
    from kappatune.screening.ranking import RankedCrystal, RankSettings

    settings = valid_settings(
        RankSettings,
        order="highest" if highest else "lowest",
        limit=limit,
        elements=words(elements),
        without=words(without),
        min_atoms=min_atoms,
        max_atoms=max_atoms,
        max_upper=max_upper,
        min_lower=min_lower,
        in_domain_only=in_domain,
        prototypes=words(prototype),
        novel=novel,
        agree_below=agree_below,
        diverse=diverse,
    )
    with answer_stream() as answer, plain_errors():
        from kappatune.screening.ranking import rank, scan_is_complete, write_cifs

        check_cif_folder(cif)
        rows = rank(folder, settings)
        if cif and rows:
            tell(f"{len(write_cifs(rows, cif))} CIFs in {cif}")
        if form is Form.TABLE:
            _write_table(rows, answer)
        elif form is Form.JSON:
            write_json(rows, answer)
        else:
            write_csv(rows, RankedCrystal, answer)
    if not rows:
        tell("no crystal of the scan passes: loosen the filters")
    if not scan_is_complete(folder):
        tell(f"{folder}: the scan is not complete, so better crystals may be missing; finish it with screen --resume")


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
