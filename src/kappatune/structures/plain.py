"""A crystal as plain data: as JSON, which programs send to a server and which it keeps, and as CIF."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from kappatune.structures.crystal import BadCrystal, Crystal, Rejection, atomic_number, check, element_symbol

Vector = tuple[float, float, float]


class Structure(BaseModel):
    """A crystal, in the columns of kappatune's tables.

    Attributes:
        id: Name that comes back in the row.
        lattice: Row vectors, Å.
        species: Chemical symbol of each atom.
        frac_coords: Fractional coordinates of each atom.
        remarks: What reading its file found to say; they come back in the row.
    """

    model_config = ConfigDict(extra="forbid")

    id: str = Field(default="", max_length=400)
    lattice: tuple[Vector, Vector, Vector]
    species: list[str] = Field(min_length=1)
    frac_coords: list[Vector] = Field(min_length=1)
    remarks: list[Annotated[str, Field(max_length=1000)]] = Field(default=[], max_length=10)

    @classmethod
    def of(cls, crystal: Crystal) -> Structure:
        """The structure of a crystal."""
        return cls.model_construct(
            id=crystal.id,
            lattice=tuple(map(tuple, crystal.lattice.tolist())),
            species=[element_symbol(z) for z in crystal.numbers.tolist()],
            frac_coords=list(map(tuple, crystal.frac_coords.tolist())),
            remarks=list(crystal.remarks),
        )

    def crystal(self, position: int = 1) -> Crystal | Rejection:
        """The checked crystal, or why there is none; `position` names one without an id."""
        name = self.id or f"structure {position}"
        try:
            if len(self.species) != len(self.frac_coords):
                raise BadCrystal(f"{len(self.species)} species but {len(self.frac_coords)} frac_coords: give one each")
            numbers = [atomic_number(symbol, site) for site, symbol in enumerate(self.species, 1)]
            return check(
                Crystal(
                    np.array(self.lattice),
                    np.array(numbers),
                    np.array(self.frac_coords),
                    id=name,
                    remarks=tuple(self.remarks),
                )
            )
        except BadCrystal as error:
            return Rejection(name, str(error))


def cif_text(crystal: Crystal) -> str:
    """A crystal as CIF, every atom of the cell with its own line."""
    from pymatgen.io.cif import CifWriter

    return str(CifWriter(crystal.to_pymatgen(), significant_figures=10))
