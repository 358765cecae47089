"""Structures for a table of Materials Project ids, fetched by the Materials Project's own client."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from kappatune.data.fetching import TemporaryFailure, cached, one_line, with_retries
from kappatune.data.table_writer import (
    CRYSTAL_COLUMNS,
    TableCounts,
    TableEntry,
    check_target,
    crystal_row,
    pages_of,
    write_table,
)
from kappatune.errors import BadSource, install_hint
from kappatune.progress import OnProgress, ignore
from kappatune.storage import file_sha256
from kappatune.structures import BadCrystal, Crystal, Rejection, check
from kappatune.structures.pymatgen_dict import crystal_of_dict
from kappatune.structures.table import table_rows

BATCH_SIZE = 256
"""Ids per request."""

SYMMETRY_TOLERANCE_ANGSTROM = 0.01
"""Distance within which atoms have to coincide under a symmetry operation of the space group."""

_ID = re.compile(r"(mp|mvc)-(\d+|[a-z]+)")
_STRUCTURE_COLUMNS = {"file", "lattice", "species", "frac_coords"}
_FINAL = re.compile(r"status code 4(?!08|25|29)|API key")


def id_column(table: Path) -> str | None:
    """Column of a CSV that lists Materials Project ids, or None if the table is of another kind.

    Args:
        table: A `.csv` without structures and with a column `material_id` or `mp_id`, or a column `id` that holds only
            such ids.

    Raises:
        kappatune.structures.table.BadTable: The table cannot be read.
    """
    if table.suffix.lower() != ".csv":
        return None
    rows = table_rows(table)
    head = next(rows, None)
    if head is None or head.keys() & _STRUCTURE_COLUMNS:
        return None
    for name in ("material_id", "mp_id"):
        if name in head:
            return name
    return "id" if all(_ID.fullmatch(row.get("id") or "") for row in chain([head], rows)) else None


def fetch_materials_project(out: Path, ids: Path, on_progress: OnProgress = ignore) -> TableCounts:
    """Write the structures of listed ids as a table of crystals without values.

    Batches are stored beside the table: after an interruption the same call continues, and requests no batch twice.

    Args:
        out: The table, a `.parquet` file.
        ids: A `.csv` with a column of ids, see `id_column`.
        on_progress: Called with the number of rows so far.

    Raises:
        kappatune.data.table_writer.BadTarget: Something else has that name.
        kappatune.structures.table.BadTable: The list cannot be read.
        BadSource: It lists no ids, or the Materials Project cannot be reached.
        OSError: The disk is full.
    """
    column = id_column(ids)
    if column is None:
        raise BadSource(f"{ids}: not a list of ids: give a .csv with a column 'material_id' and no structures")
    origin = f"Materials Project: {file_sha256(ids)}"
    check_target(out, origin)
    batches = listed_items(ids, column, BATCH_SIZE, pages_of(out), resume="the same command")
    entries = (_entry(item, number, str(ids)) for number, item in enumerate(chain.from_iterable(batches), 1))
    return write_table(out, entries, pa.schema(CRYSTAL_COLUMNS), origin, on_progress)


def listed_items(table: Path, column: str, size: int, fetched: Path, *, resume: str) -> Iterator[list[dict[str, Any]]]:
    """Fetch what a table lists, in batches, in the order of the table.

    Args:
        table: The CSV.
        column: Its column of ids.
        size: Ids per batch.
        fetched: Folder where batches are stored.
        resume: What continues after a failure, for error messages.

    Yields:
        One item per id, as `crystal_of_item` takes it.

    Raises:
        BadSource: The client is not installed, there is no key, or the Materials Project cannot be reached.
        kappatune.structures.table.BadTable: The table cannot be read.
        OSError: The disk is full.
    """
    client = cache(_client)
    ids = (row[column] or "" for row in table_rows(table))
    first = 1
    while batch := list(islice(ids, size)):
        where = f"Materials Project, for {table} from row {first}"
        advice = f"{first - 1} rows are stored, and {resume} continues from there"
        request = partial(with_retries, partial(_request, client, batch, where), where, advice)
        yield cached(fetched, "Materials Project: " + ",".join(batch), request)
        first += len(batch)


def crystal_of_item(item: dict[str, Any], number: int, table: str) -> Crystal | Rejection:
    """The crystal of one listed id.

    Args:
        item: `id`, and `structure` as a dictionary or None.
        number: Row of the table, counted from 1.
        table: The CSV.

    Returns:
        The checked crystal, or why there is none.
    """
    id = item["id"] or f"{Path(table).stem}#{number}"
    if item["structure"] is None:
        fault = (
            "the Materials Project does not know this id" if _ID.fullmatch(item["id"]) else "not an id such as mp-149"
        )
        return Rejection(id, f"row {number}: {fault}: correct it", table)
    entry = crystal_of_dict(item)
    if isinstance(entry, Crystal):
        try:
            check(entry)
        except BadCrystal as error:
            entry = Rejection(id, str(error), formula=entry.formula if entry.n_atoms else None)
    return replace(entry, id=id, file=f"https://materialsproject.org/materials/{id}")


def _entry(item: dict[str, Any], number: int, table: str) -> TableEntry:
    read = crystal_of_item(item, number, table)
    if isinstance(read, Crystal):
        return TableEntry(item["id"], crystal_row(read, _spacegroup(read), f"Materials Project {read.id}"))
    return TableEntry(item["id"] or None, read)


def _spacegroup(crystal: Crystal) -> int | None:
    import spglib

    cell = (crystal.lattice, crystal.frac_coords, crystal.numbers)
    dataset = spglib.get_symmetry_dataset(cell, symprec=SYMMETRY_TOLERANCE_ANGSTROM)
    return None if dataset is None else int(dataset.number)


def _request(client: Callable[[], Any], ids: list[str], where: str) -> list[dict[str, Any]]:
    """One item per id, in order; its structure is None where there is none."""
    wanted = [id for id in dict.fromkeys(ids) if _ID.fullmatch(id)]
    found = {}
    try:
        fields = ["material_id", "structure"]
        for document in client().materials.summary.search(material_ids=wanted, fields=fields) if wanted else ():
            name, structure = (document[f] if isinstance(document, dict) else getattr(document, f) for f in fields)
            found[str(name)] = structure.as_dict() if hasattr(structure, "as_dict") else structure
    except BadSource:
        raise
    except Exception as error:  # the client raises errors of its own and of several libraries that it uses
        if _FINAL.search(str(error)):
            raise BadSource(f"{where}: {one_line(error)}") from error
        raise TemporaryFailure(one_line(error) or type(error).__name__) from error
    return [{"id": id, "structure": found.get(id)} for id in ids]


def _client() -> Any:
    try:
        from mp_api.client import MPRester
    except ImportError as error:
        raise BadSource(f"Materials Project ids are fetched by the client mp-api: {install_hint('mp')}") from error
    from pymatgen.core import SETTINGS

    if not (os.environ.get("MP_API_KEY") or SETTINGS.get("PMG_MAPI_KEY")):
        raise BadSource(
            "the Materials Project requires a key: get yours at https://materialsproject.org/api and set MP_API_KEY"
        )
    return MPRester(mute_progress_bars=True)
