"""`kappatune suggest`: the crystals of a scan to compute next."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, cast

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
from kappatune.cli.writers import Column, Layout, OutputFormat, interval, number, write_rows

if TYPE_CHECKING:
    from kappatune.screening import Suggestion
    from kappatune.structures.table import Fidelity


class SeekOption(StrEnum):
    """What `--seek` takes."""

    LOW = "low"
    HIGH = "high"


def suggest(
    folder: ScanFolder,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many crystals you can compute.")] = 20,
    seek: Annotated[SeekOption, typer.Option(help="Which conductivity to look for.")] = SeekOption.LOW,
    fidelity: Annotated[
        str | None,
        typer.Option(help="Rung at which you compute: formulas known there are left out. [default: the scan's]"),
    ] = None,
    anywhere: Annotated[
        bool,
        typer.Option("--anywhere", help="Also crystals outside the model's domain, where its spread means little."),
    ] = False,
    elements: Elements = None,
    without: Without = None,
    min_atoms: MinAtoms = None,
    max_atoms: MaxAtoms = None,
    prototype: Prototype = None,
    novel: Novel = False,
    cif: CifFolder = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Suggest which crystals of a scan to compute next: a varied batch with the most to gain.

    The gain is the expected improvement of ln kappa on a target that 5 % of the scan is predicted to reach. It favours
    uncertain crystals, by their calibrated interval or, without one, by the members' spread and the distance to the
    nearest labelled crystal. After each choice, crystals of similar composition count less. Known formulas and repeated
    structures are left out.

    Exit code: 0 suggested, even if no crystal is left, 1 could not run, 2 usage.

    **Examples**

        kappatune suggest my-scan -n 20 --max-atoms 20 --cif to-compute
        kappatune suggest my-scan --seek high --without Be,C --csv > next.csv
    """
    output_format = chosen_format(as_json, as_csv)
    with answer_only_stdout() as stdout, errors_as_messages(), bad_settings_as_usage():
        from kappatune.screening import Suggestion, suggest, write_cifs
        from kappatune.screening.layout import scan_is_complete

        check_new_folder(cif)
        rows = suggest(
            folder,
            n=limit,
            seek=seek.value,
            fidelity=cast("Fidelity | None", fidelity),
            in_domain_only=not anywhere,
            elements=split_words(elements),
            without=split_words(without),
            min_atoms=min_atoms,
            max_atoms=max_atoms,
            prototypes=split_words(prototype),
            novel=novel,
        )
        if cif and rows:
            note(f"{len(write_cifs(rows, cif))} CIFs in {cif}")
        write_rows(
            rows, Layout(Suggestion, _COLUMNS, separators={"known_rungs": " "}, numbered=True), output_format, stdout
        )
    if output_format is OutputFormat.TABLE:
        note_intervals(row.interval for row in rows)
    if rows:
        side = "below" if seek is SeekOption.LOW else "above"
        note(f"target: {side} {rows[0].target_w_mk:.3g} W/(m K)")
        if len(rows) < limit:
            outside = "" if anywhere else " or out of domain (--anywhere suggests these too)"
            note(f"{len(rows)} of {limit}: the other crystals are filtered out, known, repeated{outside}")
    else:
        note("no crystal is left to suggest: loosen the filters" + ("" if anywhere else ", or try --anywhere"))
    if not scan_is_complete(folder):
        note(f"{folder}: the scan is not complete, so better crystals may be missing; finish it with screen --resume")


def _nearest_label(row: Suggestion) -> str:
    if row.nearest_kappa_w_mk is None:
        return ""
    return f"{row.nearest_formula}: {row.nearest_kappa_w_mk:.3g} ({row.nearest_fidelity})"


_COLUMNS: list[Column[Suggestion]] = [
    Column("crystal", "id"),
    Column("formula", "formula"),
    Column("atoms", "n_atoms", right=True),
    Column("κ, W/(m K)", lambda row: number(row.kappa_w_mk), right=True),
    Column("interval", lambda row: interval(row.lower_w_mk, row.upper_w_mk), right=True),
    Column("gain in ln κ", lambda row: number(row.expected_improvement, ".2f"), right=True),
    Column("chance of target", lambda row: number(row.probability, ".0%"), right=True),
    Column("distance", lambda row: number(row.nearest_distance, ".2f", missing=""), right=True),
    Column("nearest label, W/(m K)", _nearest_label),
    Column("remarks", kinds, fill=True),
]
