"""`kappatune data`: tables of crystals, fetched from databases, imported from downloaded files, or computed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kappatune.cli.compute import compute
from kappatune.cli.output import answer_only_stdout, errors_as_messages, note

if TYPE_CHECKING:
    from kappatune.data.table_writer import TableCounts
    from kappatune.progress import OnProgress

data = typer.Typer(
    help="Make tables of crystals: fetched from databases, imported from files, or computed.", no_args_is_help=True
)
fetch = typer.Typer(help="Fetch a table from a database, or the weights of a potential.", no_args_is_help=True)
data.add_typer(fetch, name="fetch")
from_file = typer.Typer(
    help="Make a table from a file that a database publishes and you downloaded.", no_args_is_help=True
)
data.add_typer(from_file, name="import")
data.command("compute")(compute)


@fetch.command("aflow")
def aflow(
    out: Annotated[Path, typer.Option(help="The table to write.")] = Path("aflow.parquet"),
    query: Annotated[
        str, typer.Option(help="Further AFLUX keywords that narrow what is fetched, such as 'species(Si),nspecies(2)'.")
    ] = "",
    url: Annotated[
        str | None, typer.Option(help="URL of another AFLUX server. [default: https://aflow.org/API/aflux/]")
    ] = None,
) -> None:
    """Fetch AFLOW's ICSD crystals with their AGL values, to train on.

    Columns are named as in AFLOW; kappa at 300 K is in W/(m K). After an interruption the same command continues:
    pages are stored in `OUT.pages`, and none is requested twice. Entries that are not usable crystals are listed in
    `OUT.rejects.jsonl`. AFLOW's data are under AFLOW's terms.

    Exit code: 0 when the table is complete, 1 could not run or continue, 2 usage.

    **Examples**

        kappatune data fetch aflow --out tables/aflow_agl.parquet
        kappatune data fetch aflow --query 'species(Te)' --out tellurides.parquet
    """
    from kappatune.data.aflow import AFLUX_URL, fetch_aflow

    _fetch(out, lambda on_progress: fetch_aflow(out, url or AFLUX_URL, query, on_progress))


@fetch.command("mp")
def mp(
    ids: Annotated[Path, typer.Option(metavar="FILE", help="CSV with a column `material_id`, `mp_id`, or `id`.")],
    out: Annotated[Path, typer.Option(help="The table to write.")] = Path("mp.parquet"),
) -> None:
    """Fetch structures of listed ids from the Materials Project, to scan or to label.

    Needs the extra `mp` (`pip install '.[mp]'` in a clone) and a key in `MP_API_KEY`. After an interruption the same
    command continues: batches are stored in `OUT.pages`, and none is requested twice. Ids without a crystal are listed
    in `OUT.rejects.jsonl`.

    Exit code: 0 when the table is complete, 1 could not run or continue, 2 usage.

    **Examples**

        kappatune data fetch mp --ids ids.csv --out pool.parquet
    """
    from kappatune.data.materials_project import fetch_materials_project

    _fetch(out, lambda on_progress: fetch_materials_project(out, ids, on_progress))


@fetch.command("nequix")
def nequix(
    out: Annotated[
        Path | None, typer.Option(help="The file to write. [default: where `--calculator nequix` looks]")
    ] = None,
    url: Annotated[str | None, typer.Option(help="Another address of the same file.")] = None,
) -> None:
    """Download the weights of the potential Nequix (nequix-mp-1-pft, 3 MB) from the address that its own package uses.

    They are by T. Koker and others (arXiv:2601.07742), licensed under CC BY 4.0, and not part of kappatune. The file is
    checked against its known hash. Without network, copy it by hand and give its path: --calculator PATH.nqx.

    Exit code: 0 the weights are there, 1 could not fetch them, 2 usage.

    **Examples**

        kappatune data fetch nequix
    """
    with answer_only_stdout() as stdout, errors_as_messages():
        from kappatune.data.nequix_weights import NOTICE, URL, fetch_nequix

        note(NOTICE)
        stdout.write(f"{fetch_nequix(out, url or URL)}\n")


@from_file.command("phonix")
def phonix(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The downloaded summary, CSV or Parquet.")],
    out: Annotated[Path, typer.Option(help="The table to write.")] = Path("phonix.parquet"),
    structures: Annotated[
        Path | None,
        typer.Option(
            help="For rows without a structure inside: a folder of structure files with the Materials Project id in "
            "their names, or a table such as `kappatune data fetch mp` writes."
        ),
    ] = None,
) -> None:
    """Make a training table from the DFT conductivities of Phonix (Ohnishi et al., npj Comput. Mater. 12, 150 (2026)).

    FILE is `phonix-summary` as its authors publish it (CC BY 4.0), or the earlier `data_all.csv`. Rows have fidelity
    `dft`; kappa at 300 K includes the coherences. Rows without a conductivity, with badly fitted force constants, with
    other physics than the rest, or without a usable structure are listed with their reason in `OUT.rejects.jsonl`.
    Cite Phonix if you use or redistribute the table.

    Exit code: 0 when the table is complete, 1 could not run, 2 usage.

    **Examples**

        kappatune data import phonix phonix-summary.parquet --out tables/phonix.parquet
        kappatune data import phonix summary.csv --structures cifs/ --out tables/phonix.parquet
    """
    from kappatune.data.phonix import import_phonix

    counts = _written(out, lambda on_progress: import_phonix(out, file, structures, on_progress))
    note(f"crystals: {counts.rows}")


def _fetch(out: Path, fetch: Callable[[OnProgress], TableCounts]) -> None:
    counts = _written(out, fetch)
    from kappatune.data.table_writer import pages_of

    note(f"crystals: {counts.rows}; to fetch them again, delete {pages_of(out)}")


def _written(out: Path, write: Callable[[OnProgress], TableCounts]) -> TableCounts:
    """Write a table, answer with its name, and say which entries are not in it."""
    with answer_only_stdout() as stdout, errors_as_messages():
        from kappatune.data.table_writer import rejects_of
        from kappatune.progress import shown_on_stderr

        with shown_on_stderr() as on_progress:
            counts = write(on_progress)
        stdout.write(f"{out}\n")
    if counts.repeated:
        note(f"repeated entries, left out: {counts.repeated}")
    if counts.rejected:
        note(f"entries that are not usable crystals: {counts.rejected}; {rejects_of(out)} gives the reasons")
    return counts
