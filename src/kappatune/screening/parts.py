"""Parts of a scan: one Parquet file per unit of a source, complete or absent.

A part records what it was made from (`kappatune.screening.changes`), so that a resumed scan notices a change.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kappatune.screening.changes import Record, disappeared, require_unchanged
from kappatune.screening.layout import FETCHED
from kappatune.screening.unit import Unit
from kappatune.storage import atomic_path, remove_partials


@dataclass(frozen=True)
class ScanCounts:
    """Rows of one part, or of a whole scan.

    Attributes:
        rows: All rows.
        answered: Rows with a conductivity.
    """

    rows: int = 0
    answered: int = 0

    def __add__(self, other: ScanCounts) -> ScanCounts:
        return ScanCounts(self.rows + other.rows, self.answered + other.answered)


def part_path(out: Path, index: int) -> Path:
    """File of one part."""
    return out / f"part-{index:06d}.parquet"


def write_part(out: Path, index: int, record: Record, rows: pa.Table) -> ScanCounts:
    """Write the rows of a unit, and what the part records of it.

    Raises:
        OSError: The disk is full; nothing of the part remains.
    """
    with atomic_path(part_path(out, index)) as partial:
        pq.write_table(rows.replace_schema_metadata(record), partial, compression="zstd")
    return _counts(rows)


def counts_of_part(out: Path, index: int, unit: Unit) -> ScanCounts | None:
    """Counts of a part that is complete; None if there is none.

    Raises:
        kappatune.screening.settings.BadRequest: The part was made from something else than this unit.
    """
    path = part_path(out, index)
    if not path.is_file():
        return None
    require_unchanged(path, unit)
    return _counts(pq.read_table(path, columns=["kappa_w_mk"]))


def require_no_part(out: Path, index: int) -> None:
    """Refuse to resume a scan that has more parts than its sources have units.

    Raises:
        kappatune.screening.settings.BadRequest: There is a part of this number.
    """
    if part_path(out, index).is_file():
        raise disappeared(part_path(out, index))


def remove_leftovers(out: Path) -> None:
    """Remove the incomplete files of a killed scan, those of kappatune 0.1.0 (`.part-000000-HOST-PID`) among them."""
    remove_partials(out)
    remove_partials(out / FETCHED)
    for leftover in out.glob(".part-*"):
        leftover.unlink(missing_ok=True)


def _counts(rows: pa.Table) -> ScanCounts:
    return ScanCounts(len(rows), len(rows) - rows["kappa_w_mk"].null_count)
