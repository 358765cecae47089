"""Parts of a scan: one Parquet file per unit of a source, there whole or not at all.

A part is written under a hidden name and renamed when complete, and remembers the hash of its unit.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kappatune.screening.settings import BadRequest
from kappatune.screening.sources import Unit

_UNIT_HASH = b"unit_sha256"


@dataclass(frozen=True)
class Counts:
    """Rows of one part, or of a whole scan.

    Attributes:
        rows: All rows.
        answered: Rows with a value.
    """

    rows: int = 0
    answered: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.rows + other.rows, self.answered + other.answered)


def part_path(out: Path, index: int) -> Path:
    """File of one part."""
    return out / f"part-{index:06d}.parquet"


def write_part(out: Path, index: int, unit: Unit, rows: pa.Table) -> Counts:
    """Write the rows of a unit.

    Raises:
        OSError: The disk is full; nothing of the part stays.
    """
    partial = out / f".part-{index:06d}-{platform.node()}-{os.getpid()}"
    try:
        pq.write_table(rows.replace_schema_metadata({_UNIT_HASH: unit.digest().encode()}), partial, compression="zstd")
        os.replace(partial, part_path(out, index))
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    return _counts(rows)


def counts_of_part(out: Path, index: int, unit: Unit) -> Counts | None:
    """Counts of a part that is done; None if it is not.

    Raises:
        BadRequest: The part was made of something else than this unit.
    """
    path = part_path(out, index)
    if not path.is_file():
        return None
    if pq.read_metadata(path).metadata.get(_UNIT_HASH) != unit.digest().encode():
        where = unit.file or f"{unit.items[0]} and the files after it"
        raise BadRequest(f"{where} changed since this scan began: start again with another --out")
    return _counts(pq.read_table(path, columns=["kappa_w_mk"]))


def drop_leftovers(out: Path) -> None:
    """Remove parts that a killed scan was writing."""
    for leftover in out.glob(".part-*"):
        leftover.unlink(missing_ok=True)


def _counts(rows: pa.Table) -> Counts:
    return Counts(len(rows), len(rows) - rows["kappa_w_mk"].null_count)
