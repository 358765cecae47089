"""A crystal of a scan as `rank` and `suggest` return it."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from kappatune.model.intervals import IntervalKind
from kappatune.screening.query import BadScan, RowLocation, columns_at
from kappatune.structures import Crystal

RELATIVE_SPREAD = (
    "CASE WHEN isfinite(list_max(members_w_mk)) THEN list_stddev_samp(members_w_mk) / list_avg(members_w_mk) END"
)
"""Sample standard deviation of the members over their mean, as SQL."""


class RankedCrystal(BaseModel):
    """A crystal of a scan.

    Attributes:
        id: Name of the crystal.
        file: File it came from.
        formula: Reduced formula.
        n_atoms: Atoms in the cell.
        kappa_w_mk: Lattice thermal conductivity at 300 K, W/(m K).
        lower_w_mk: Lower end of the interval, W/(m K).
        upper_w_mk: Upper end of the interval, W/(m K).
        max_member_w_mk: Highest conductivity that a member of the ensemble gives, W/(m K).
        relative_spread: Sample standard deviation of the members over their mean; null for one member.
        debye_temperature_k: Debye temperature of the primitive cell, K.
        gruneisen: Grüneisen parameter.
        in_domain: Whether the crystal is similar to those the model was trained on.
        known_rungs: Rungs whose training data contain the formula; empty for a novel one.
        structure_hash: Hash of the structure; duplicates have the same.
        reason: Why the crystal is out of domain.
        remarks: What to know although the number stands, as in a `Prediction`; null in scans of earlier versions.
        interval: What the interval rests on, as in a `Prediction`; null in scans of earlier versions.
        lattice: Row vectors, row after row, Å. This field and the next two are left out of dumps.
        numbers: Atomic numbers.
        frac_coords: Fractional coordinates, atom after atom.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    file: str | None = None
    formula: str | None = None
    n_atoms: int | None = None
    kappa_w_mk: float
    lower_w_mk: float | None = None
    upper_w_mk: float | None = None
    max_member_w_mk: float | None = None
    relative_spread: float | None = None
    debye_temperature_k: float | None = None
    gruneisen: float | None = None
    in_domain: bool | None = None
    known_rungs: tuple[str, ...] | None = None
    structure_hash: str | None = None
    reason: str | None = None
    remarks: tuple[str, ...] | None = None
    interval: IntervalKind | None = None
    lattice: tuple[float, ...] | None = Field(default=None, exclude=True, repr=False)
    numbers: tuple[int, ...] | None = Field(default=None, exclude=True, repr=False)
    frac_coords: tuple[float, ...] | None = Field(default=None, exclude=True, repr=False)

    def crystal(self) -> Crystal:
        """The crystal itself.

        Raises:
            BadScan: The scan does not hold the structure of this row.
        """
        if self.lattice is None or self.numbers is None or self.frac_coords is None:
            raise BadScan(f"crystal '{self.id}': the scan does not hold its structure")
        if len(self.lattice) != 9 or len(self.frac_coords) != 3 * len(self.numbers):
            raise BadScan(f"crystal '{self.id}': its structure in the scan is damaged")
        return Crystal(
            np.array(self.lattice, dtype=np.float64).reshape(3, 3),
            np.array(self.numbers, dtype=np.int64),
            np.array(self.frac_coords, dtype=np.float64).reshape(-1, 3),
            id=self.id,
            file=self.file,
        )


_DERIVED = {"max_member_w_mk": "list_max(members_w_mk)", "relative_spread": RELATIVE_SPREAD}
_COLUMNS = ", ".join(f"{_DERIVED[name]} AS {name}" if name in _DERIVED else name for name in RankedCrystal.model_fields)
NEEDED = (RankedCrystal.model_fields.keys() - _DERIVED.keys() - {"remarks", "interval"}) | {
    "members_w_mk",
    "elements",
    "anonymous_formula",
}
"""Columns that a scan must have to be ranked."""


def crystals_at(connection: duckdb.DuckDBPyConnection, locations: Sequence[RowLocation]) -> list[RankedCrystal]:
    """The crystals at these locations, in the given order."""
    return [
        RankedCrystal.model_validate(dict(zip(RankedCrystal.model_fields, row, strict=True)))
        for row in columns_at(connection, _COLUMNS, locations)
    ]
