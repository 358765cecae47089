"""Tables that list ids of the Materials Project, whose own client fetches the structures."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from kappatune.data.fetching import Passing, kept, patiently, plain
from kappatune.errors import BadSource
from kappatune.structures import BadCrystal, Crystal, Rejection, check
from kappatune.structures.pymatgen_json import crystal_of_dict
from kappatune.structures.table import table_rows

_ID = re.compile(r"(mp|mvc)-(\d+|[a-z]+)")
_STRUCTURE_COLUMNS = {"file", "lattice", "species", "frac_coords"}
_FINAL = re.compile(r"status code 4(?!08|25|29)|API key")


def id_column(table: Path) -> str | None:
    """Column of a CSV that lists ids of the Materials Project, or None if the table is of another kind.

    Args:
        table: A `.csv` with a column `material_id`, or with a column `id` that holds nothing else, and
            without structures.

    Raises:
        kappatune.structures.table.BadTable: The table cannot be read.
    """
    if table.suffix.lower() != ".csv":
        return None
    rows = table_rows(table)
    head = next(rows, None)
    if head is None or head.keys() & _STRUCTURE_COLUMNS:
        return None
    if "material_id" in head:
        return "material_id"
    return "id" if all(_ID.fullmatch(row.get("id") or "") for row in chain([head], rows)) else None


def listed_items(table: Path, column: str, size: int, fetched: Path, *, resume: str) -> Iterator[list[dict[str, Any]]]:
    """Fetch what a table lists, in batches, in the order of the table.

    Args:
        table: The CSV.
        column: Its column of ids.
        size: Ids per batch.
        fetched: Where batches are kept.
        resume: What goes on with the fetch after a failure, for people.

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
        afterwards = f"rows kept: {first - 1}, and {resume} goes on from there"
        ask = partial(patiently, partial(_ask, client, batch, where), where, afterwards)
        yield kept(fetched, "Materials Project: " + ",".join(batch), ask)
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
        fault = "Materials Project does not know this id" if _ID.fullmatch(item["id"]) else "this is no id like mp-149"
        return Rejection(id, f"row {number}: {fault}: correct it", table)
    entry = crystal_of_dict(item)
    if isinstance(entry, Crystal):
        try:
            check(entry)
        except BadCrystal as error:
            entry = Rejection(id, str(error), formula=entry.formula if entry.n_atoms else None)
    return replace(entry, id=id, file=f"https://materialsproject.org/materials/{id}")


def _ask(client: Callable[[], Any], ids: list[str], where: str) -> list[dict[str, Any]]:
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
    except Exception as error:  # the client raises errors of its own and of several libraries below it
        if _FINAL.search(str(error)):
            raise BadSource(f"{where}: {plain(error)}") from error
        raise Passing(plain(error) or type(error).__name__) from error
    return [{"id": id, "structure": found.get(id)} for id in ids]


def _client() -> Any:
    try:
        from mp_api.client import MPRester
    except ImportError as error:
        raise BadSource(
            "ids of the Materials Project are fetched with its own client: pip install 'kappatune[mp]'"
        ) from error
    from pymatgen.core import SETTINGS

    if not (os.environ.get("MP_API_KEY") or SETTINGS.get("PMG_MAPI_KEY")):
        raise BadSource(
            "the Materials Project asks for a key: get yours at https://materialsproject.org/api and set MP_API_KEY"
        )
    return MPRester(mute_progress_bars=True)
