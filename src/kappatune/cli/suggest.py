"""`kappatune suggest`: the crystals of a scan to compute next."""

from __future__ import annotations

from enum import StrEnum
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
    from kappatune.screening.suggestions import Suggestion


class SeekOption(StrEnum):
    """What `--seek` takes."""

    LOW = "low"
    HIGH = "high"


def suggest(
    folder: Folder,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Crystals you can compute.")] = 20,
    seek: Annotated[SeekOption, typer.Option(help="Conductivity that is sought.")] = SeekOption.LOW,
    fidelity: Annotated[
        str | None,
        typer.Option(
            help="Rung at which you compute: formulas the model learnt from there are left out. [default: the scan's]"
        ),
    ] = None,
    anywhere: Annotated[
        bool, typer.Option("--anywhere", help="Also crystals out of the model's domain, where its spread means little.")
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

    The gain is the expected improvement of ln kappa on a target that 5 % of the scan is predicted to
    reach. Uncertain crystals and those far from every labelled one gain from it; after each choice,
    crystals of similar composition count less. Known formulas and repeated structures are left out.

    Exit code: 0 suggested, even if no crystal is left, 1 could not run, 2 usage.

    Examples:
        kappatune suggest my-scan -n 20 --max-atoms 20 --cif to-compute

        kappatune suggest my-scan --seek high --without Be,C --csv > next.csv
    """
    form = chosen_form(as_json, as_csv)
    from kappatune.screening.suggestions import Suggestion, SuggestSettings

    settings = valid_settings(
        SuggestSettings,
        limit=limit,
        seek=seek.value,
        fidelity=fidelity,
        in_domain_only=not anywhere,
        elements=words(elements),
        without=words(without),
        min_atoms=min_atoms,
        max_atoms=max_atoms,
        prototypes=words(prototype),
        novel=novel,
    )
    with answer_stream() as answer, plain_errors():
        from kappatune.screening.ranking import scan_is_complete, write_cifs
        from kappatune.screening.suggestions import suggest

        check_cif_folder(cif)
        rows = suggest(folder, settings)
        if cif and rows:
            tell(f"{len(write_cifs(rows, cif))} CIFs in {cif}")
        if form is Form.TABLE:
            _write_table(rows, answer)
        elif form is Form.JSON:
            write_json(rows, answer)
        else:
            write_csv(rows, Suggestion, answer)
    if rows:
        side = "below" if seek is SeekOption.LOW else "above"
        tell(f"target: {side} {rows[0].target_w_mk:.3g} W/(m K)")
    else:
        tell("no crystal is left to suggest: loosen the filters" + ("" if anywhere else ", or try --anywhere"))
    if not scan_is_complete(folder):
        tell(f"{folder}: the scan is not complete, so better crystals may be missing; finish it with screen --resume")


def _write_table(rows: list[Suggestion], answer: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("", justify="right")
    table.add_column("crystal", overflow="fold")
    table.add_column("formula", overflow="fold")
    for name in ("atoms", "κ, W/(m K)", "interval", "gain in ln κ", "chance of target", "distance"):
        table.add_column(name, justify="right")
    table.add_column("nearest label, W/(m K)", overflow="fold")
    for place, row in enumerate(rows, 1):
        has_interval = row.lower_w_mk is not None and row.upper_w_mk is not None
        has_nearest = row.nearest_distance is not None and row.nearest_kappa_w_mk is not None
        table.add_row(
            str(place),
            Text(row.id),
            Text(row.formula or ""),
            "" if row.n_atoms is None else str(row.n_atoms),
            f"{row.kappa_w_mk:.3g}",
            f"{row.lower_w_mk:.3g} to {row.upper_w_mk:.3g}" if has_interval else "",
            f"{row.expected_improvement:.2f}",
            f"{row.probability:.0%}",
            f"{row.nearest_distance:.2f}" if has_nearest else "",
            Text(
                f"{row.nearest_formula}: {row.nearest_kappa_w_mk:.3g} ({row.nearest_fidelity})" if has_nearest else ""
            ),
        )
    console = Console(file=answer, width=None if answer.isatty() else 140)
    console.print(table)
