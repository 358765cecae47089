"""Writing a table of fetched crystals: one Parquet file, there whole or not at all, and beside it the rejects."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kappatune.errors import BadSource, UserError
from kappatune.structures import Crystal, Rejection
from kappatune.structures.crystal import element_symbol

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
    """A table that cannot be written there; the message says why."""


@dataclass(frozen=True)
class Entry:
    """What became of one entry of a database.

    Attributes:
        key: Tells the entry from the others; a later one of the same key is a repetition. None is never repeated.
        made: Its row by column, or why there is none.
    """

    key: str | None
    made: dict[str, Any] | Rejection


@dataclass(frozen=True)
class Counts:
    """Entries so far.

    Attributes:
        rows: Rows of the table.
        rejected: Entries without a row, each with its reason beside the table.
        repeated: Entries that were there before.
    """

    rows: int = 0
    rejected: int = 0
    repeated: int = 0


def pages_of(out: Path) -> Path:
    """Folder beside a table where what is fetched for it is kept."""
    return out.with_name(f"{out.name}.pages")


def rejects_of(out: Path) -> Path:
    """File beside a table that lists what did not become a row: JSON lines with `id`, `reason` and `formula`."""
    return out.with_name(f"{out.name}.rejects.jsonl")


def check_target(out: Path, origin: str) -> None:
    """Refuse to overwrite what is not this table, before anything is fetched.

    Args:
        out: The table to be written.
        origin: What it is made of.

    Raises:
        BadTarget: There is something else, or the name is not that of a Parquet file.
    """
    if out.suffix.lower() != ".parquet":
        raise BadTarget(f"{out}: the table is written as Parquet: give --out a name that ends in .parquet")
    if out.is_dir():
        raise BadTarget(f"{out} is a folder: give a file as --out")
    if out.exists() and _origin_of(out) != _digest(origin):
        raise BadTarget(f"{out} holds what another command asked for: give another --out, or delete it")


def crystal_row(crystal: Crystal, spacegroup: int | None, source: str) -> dict[str, Any]:
    """The columns that every fetched table has.

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
    out: Path, entries: Iterable[Entry], schema: pa.Schema, origin: str, say: Callable[[Counts], None]
) -> Counts:
    """Write a table and its rejects as the entries come, with flat memory but for the keys.

    Args:
        out: The table; replaced when all entries are there, untouched before.
        entries: What the table is made of.
        schema: Columns.
        origin: What it is made of, by which `check_target` knows it again.
        say: Called with the counts after every batch of rows.

    Raises:
        BadSource: No entry became a row; the rejects are written nevertheless.
        OSError: The disk is full; nothing unfinished stays.
    """
    counts = Counts()
    keys: set[str] = set()
    rows: list[dict[str, Any]] = []
    partial, partial_rejects = (path.with_name(f".{path.name}") for path in (out, rejects_of(out)))
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
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
                if isinstance(entry.made, Rejection):
                    counts = replace(counts, rejected=counts.rejected + 1)
                    rejects.write(json.dumps(_reject(entry.made)) + "\n")
                    continue
                counts = replace(counts, rows=counts.rows + 1)
                rows.append(entry.made)
                if len(rows) == _BATCH:
                    table.write_batch(pa.RecordBatch.from_pylist(rows, schema=schema))
                    rows.clear()
                    say(counts)
            table.write_batch(pa.RecordBatch.from_pylist(rows, schema=schema))
            say(counts)
        os.replace(partial_rejects, rejects_of(out))
        if not counts.rows:
            raise BadSource(f"none of the {counts.rejected} entries is a usable crystal: see {rejects_of(out)}")
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)
        partial_rejects.unlink(missing_ok=True)
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
