"""Writes a table of fetched crystals: one Parquet file, complete or absent, and a list of the entries left out."""

from __future__ import annotations

import glob
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kappatune.errors import BadSource, UserError
from kappatune.progress import Advanced, OnProgress
from kappatune.storage import atomic_path, remove_partials
from kappatune.structures import Crystal, Rejection
from kappatune.structures.crystal import element_symbol
from kappatune.structures.text import finite_number

CRYSTAL_COLUMNS: tuple[tuple[str, pa.DataType], ...] = (
    ("id", pa.string()),
    ("formula", pa.string()),
    ("spacegroup", pa.int16()),
    ("lattice", pa.list_(pa.list_(pa.float64()))),
    ("species", pa.list_(pa.string())),
    ("frac_coords", pa.list_(pa.list_(pa.float64()))),
    ("source", pa.string()),
)
"""Columns of every fetched table: lattice in Å, row vectors."""

_BATCH = 1024
_ORIGIN = b"kappatune_origin"


class BadTarget(UserError):
    """The table cannot be written under this name; the message says why."""


@dataclass(frozen=True)
class TableEntry:
    """One entry of a database, as a row of the table or with the reason why it is not one.

    Attributes:
        key: Identifies the entry; a later entry with the same key is a repetition. None is never a repetition.
        row: The row by column, or why there is none.
    """

    key: str | None
    row: dict[str, Any] | Rejection


@dataclass(frozen=True)
class TableCounts:
    """Entries so far.

    Attributes:
        rows: Rows of the table.
        rejected: Entries without a row; the file of rejects gives the reason for each.
        repeated: Entries whose key had occurred before.
    """

    rows: int = 0
    rejected: int = 0
    repeated: int = 0


def pages_of(out: Path) -> Path:
    """Folder beside a table where the pages fetched for it are stored."""
    return out.with_name(f"{out.name}.pages")


def rejects_of(out: Path) -> Path:
    """File beside a table that lists the entries without a row: JSON lines with `id`, `reason` and `formula`."""
    return out.with_name(f"{out.name}.rejects.jsonl")


def check_target(out: Path, origin: str) -> None:
    """Refuse to overwrite anything but an earlier version of this table, before anything is fetched.

    Args:
        out: The table to be written.
        origin: Identifies what it is made from.

    Raises:
        BadTarget: Something else has this name, or it is not the name of a Parquet file.
    """
    if out.suffix.lower() != ".parquet":
        raise BadTarget(f"{out}: a fetched table is a .parquet file: give such a name as --out")
    if out.is_dir():
        raise BadTarget(f"{out} is a folder: give a file as --out")
    if out.exists() and _origin_of(out) != _digest(origin):
        raise BadTarget(f"{out} holds something else than this request would write: give another --out, or delete it")


def spacegroup_number(value: object) -> int | None:
    """The international number of a space group as a table has it, or None if it is none."""
    number = finite_number(value)
    return int(number) if number is not None and 1 <= number <= 230 and number == int(number) else None


def crystal_row(crystal: Crystal, spacegroup: int | None, source: str) -> dict[str, Any]:
    """Values of the columns that every fetched table has.

    Args:
        crystal: A checked crystal.
        spacegroup: Its international number, where known.
        source: Where it comes from.
    """
    return {
        "id": crystal.id,
        "formula": crystal.formula,
        "spacegroup": spacegroup,
        "lattice": crystal.lattice.tolist(),
        "species": [element_symbol(number) for number in crystal.numbers.tolist()],
        "frac_coords": crystal.frac_coords.tolist(),
        "source": source,
    }


def write_table(
    out: Path, entries: Iterable[TableEntry], schema: pa.Schema, origin: str, on_progress: OnProgress
) -> TableCounts:
    """Write a table and its rejects as the entries arrive, holding only the keys and a batch of rows in memory.

    Args:
        out: The table; it is replaced when all entries have arrived, and untouched before.
        entries: The entries of the database.
        schema: Columns.
        origin: Identifies what the table is made from, so that `check_target` recognises it.
        on_progress: Called with the number of rows after every batch.

    Raises:
        BadSource: No entry became a row; the rejects are written nevertheless.
        OSError: The disk is full; nothing incomplete remains.
    """
    counts = TableCounts()
    keys: set[str] = set()
    rows: list[dict[str, Any]] = []
    for path in (out, rejects_of(out)):
        remove_partials(path.parent, glob.escape(path.name))
    with atomic_path(out) as partial:
        with (
            atomic_path(rejects_of(out)) as partial_rejects,
            partial_rejects.open("w", encoding="utf-8") as rejects,
            partial.open("wb") as file,
            pq.ParquetWriter(file, schema.with_metadata({_ORIGIN: _digest(origin)}), compression="zstd") as table,
        ):
            for entry in entries:
                if entry.key in keys:
                    counts = replace(counts, repeated=counts.repeated + 1)
                    continue
                if entry.key is not None:
                    keys.add(entry.key)
                if isinstance(entry.row, Rejection):
                    counts = replace(counts, rejected=counts.rejected + 1)
                    rejects.write(json.dumps(_reject(entry.row)) + "\n")
                    continue
                counts = replace(counts, rows=counts.rows + 1)
                rows.append(entry.row)
                if len(rows) == _BATCH:
                    table.write_batch(pa.RecordBatch.from_pylist(rows, schema=schema))
                    rows.clear()
                    on_progress(Advanced(counts.rows))
            table.write_batch(pa.RecordBatch.from_pylist(rows, schema=schema))
            on_progress(Advanced(counts.rows))
        if not counts.rows:
            raise BadSource(f"none of the {counts.rejected} entries is a usable crystal: see {rejects_of(out)}")
    return counts


def _reject(rejection: Rejection) -> dict[str, Any]:
    return {"id": rejection.id, "reason": rejection.reason, "formula": rejection.formula}


def _digest(origin: str) -> bytes:
    return hashlib.sha256(origin.encode("utf-8", "surrogateescape")).hexdigest().encode()


def _origin_of(table: Path) -> bytes | None:
    try:
        return (pq.read_metadata(table).metadata or {}).get(_ORIGIN)
    except (OSError, pa.ArrowException):
        return None
