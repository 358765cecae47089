"""`kappatune rank`: the crystals of a scan with the lowest or highest conductivity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kappatune.cli.intervals import note_intervals
from kappatune.cli.options import (
    AsCsv,
    AsJson,
    CifFolder,
    Elements,
    MaxAtoms,
    MinAtoms,
    Novel,
    Prototype,
    ScanFolder,
    Without,
    bad_settings_as_usage,
    check_new_folder,
    split_words,
)
from kappatune.cli.output import answer_only_stdout, chosen_format, errors_as_messages, note
from kappatune.cli.remarks import kinds
from kappatune.cli.writers import Column, Layout, OutputFormat, interval, number, write_rows, yes_or_no

if TYPE_CHECKING:
    from kappatune.screening import RankedCrystal


def rank(
    folder: ScanFolder,
    highest: Annotated[bool, typer.Option("--highest/--lowest", help="Which conductivities come first.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Largest number of crystals to list.")] = 20,
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
        typer.Option("--diverse", help="Spread over chemistries: new sets of elements first, no element too often."),
    ] = False,
    cif: CifFolder = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List the crystals of a scan with the lowest or highest conductivity at 300 K, in W/(m K).

    Crystals without an answer are left out, and equal structures appear once. A scan that is still running, or was
    interrupted, is ranked with the rows it has so far.

    Exit code: 0 ranked, even if nothing passed the filters, 1 could not run, 2 usage.

    **Examples**

        kappatune rank my-scan --max-upper 1.0 --in-domain --novel
        kappatune rank my-scan --agree-below 1.0 --diverse -n 50 --csv > candidates.csv
        kappatune rank my-scan --highest --without Be,C --prototype AB --cif winners
    """
    output_format = chosen_format(as_json, as_csv)
    with answer_only_stdout() as stdout, errors_as_messages(), bad_settings_as_usage():
        from kappatune.screening import RankedCrystal, rank, write_cifs
        from kappatune.screening.layout import scan_is_complete

        check_new_folder(cif)
        rows = rank(
            folder,
            n=limit,
            order="highest" if highest else "lowest",
            elements=split_words(elements),
            without=split_words(without),
            min_atoms=min_atoms,
            max_atoms=max_atoms,
            in_domain_only=in_domain,
            prototypes=split_words(prototype),
            novel=novel,
            max_upper=max_upper,
            min_lower=min_lower,
            agree_below=agree_below,
            diverse=diverse,
        )
        if cif and rows:
            note(f"{len(write_cifs(rows, cif))} CIFs in {cif}")
        write_rows(
            rows, Layout(RankedCrystal, _COLUMNS, separators={"known_rungs": " "}, numbered=True), output_format, stdout
        )
    if output_format is OutputFormat.TABLE:
        note_intervals(row.interval for row in rows)
    if not rows:
        note("no crystal of the scan passes: loosen the filters")
    if not scan_is_complete(folder):
        note(f"{folder}: the scan is not complete, so better crystals may be missing; finish it with screen --resume")


def _known_from(row: RankedCrystal) -> str:
    return ", ".join(row.known_rungs or ()) or "no rung"


_COLUMNS: list[Column[RankedCrystal]] = [
    Column("crystal", "id"),
    Column("formula", "formula"),
    Column("atoms", "n_atoms", right=True),
    Column("κ, W/(m K)", lambda row: number(row.kappa_w_mk), right=True),
    Column("interval", lambda row: interval(row.lower_w_mk, row.upper_w_mk), right=True),
    Column("highest member", lambda row: number(row.max_member_w_mk, missing=""), right=True),
    Column("relative spread", lambda row: number(row.relative_spread, ".1%", missing=""), right=True),
    Column("in domain", lambda row: yes_or_no(row.in_domain)),
    Column("formula known from", _known_from),
    Column("remarks", kinds, fill=True),
]
