"""Verified values as a table that `train` reads."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kappatune.data.table_writer import CRYSTAL_COLUMNS, crystal_row
from kappatune.errors import UserError
from kappatune.storage import atomic_path
from kappatune.structures import Crystal
from kappatune.verification.row import Verification
from kappatune.verification.verdict import LOWEST_USABLE_SRD

FIDELITY = "mlip"
SCHEMA = pa.schema(
    [
        *CRYSTAL_COLUMNS,
        ("kappa_w_mk_300k", pa.float64()),
        ("fidelity", pa.string()),
        ("agl_w_mk", pa.float64()),
    ]
)
"""Columns: those of every table, and AGL's value with the same potential as a property."""


class BadLabels(UserError):
    """A table to which verified values cannot be added; the message says why."""


def add_labels(path: Path, verified: Iterable[tuple[Crystal, Verification]]) -> int:
    """Add verified crystals to a table, with their structures as given and not as relaxed.

    A crystal that is in the table with the same id and source gets the new value. Crystals without a kappa are left
    out, and so are values of a potential with a kappa_SRD below -1, and those of grains or films.

    Args:
        path: A `.parquet` file; created if it does not exist, and replaced as a whole.
        verified: Crystals and their rows.

    Returns:
        How many were added or replaced.

    Raises:
        BadLabels: The file is something else.
    """
    new = [label(crystal, row) for crystal, row in verified if _is_usable(row)]
    if not new:
        return 0
    rows = {(row["id"], row["source"]): row for row in (*_rows(path), *new)}
    table = pa.Table.from_pylist(list(rows.values()), schema=SCHEMA)
    with atomic_path(path) as partial:
        pq.write_table(table, partial, compression="zstd")
    return len(new)


def label(crystal: Crystal, row: Verification) -> dict[str, Any]:
    """One row of the table."""
    source = f"kappatune verify, {row.solution}{', Wigner' if row.coherences_w_mk is not None else ''}, {row.potential}"
    return {
        **crystal_row(crystal, row.space_group, source),
        "kappa_w_mk_300k": row.kappa_bte_w_mk,
        "fidelity": FIDELITY,
        "agl_w_mk": row.agl_w_mk,
    }


def check_labels(path: Path) -> None:
    """Check before anything is computed that values can be added to a table.

    Raises:
        BadLabels: They cannot.
    """
    if path.suffix.lower() != ".parquet":
        raise BadLabels(f"{path}: verified values are written to a Parquet file: give a name that ends in .parquet")
    _rows(path)


def _is_usable(row: Verification) -> bool:
    too_inaccurate = row.potential_srd is not None and row.potential_srd < LOWEST_USABLE_SRD
    of_grains = row.settings.get("boundary_nm") is not None
    return row.kappa_bte_w_mk is not None and not too_inaccurate and not of_grains


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise BadLabels(f"{path}: not a readable Parquet file ({error})") from error
    if not table.schema.equals(SCHEMA):
        raise BadLabels(f"{path} is not a table of verified values: give another file or a new one")
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows
