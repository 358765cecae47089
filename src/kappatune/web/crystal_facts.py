"""What is known of a crystal without a model: formula, space group, density."""

from __future__ import annotations

import warnings

from ase.data import atomic_masses

from kappatune.structures import Crystal
from kappatune.web.schemas import ApiModel

_MOST_ATOMS = 200
_SYMPREC = 1e-3
_G_CM3 = 1.66053906660
"""One atomic mass unit per Å^3 in g/cm^3."""


class CrystalFacts(ApiModel):
    """A crystal in a few words.

    Attributes:
        formula: Reduced formula as the field writes it.
        n_atoms: Atoms of the cell as given.
        space_group: Symbol of the space group within 0.001 Å; null for cells of more than 200 atoms.
        space_group_number: International number.
        density_g_cm3: Mass over volume, g/cm^3.
        volume_a3: Volume of the cell as given, Å^3.
    """

    formula: str
    n_atoms: int
    space_group: str | None
    space_group_number: int | None
    density_g_cm3: float
    volume_a3: float

    @classmethod
    def of(cls, crystal: Crystal) -> CrystalFacts:
        """The facts of a crystal."""
        symbol, number = _space_group(crystal) if crystal.n_atoms <= _MOST_ATOMS else (None, None)
        return cls(
            formula=crystal.formula,
            n_atoms=crystal.n_atoms,
            space_group=symbol,
            space_group_number=number,
            density_g_cm3=_G_CM3 * float(atomic_masses[crystal.numbers].sum()) / crystal.volume,
            volume_a3=crystal.volume,
        )


def _space_group(crystal: Crystal) -> tuple[str | None, int | None]:
    import spglib

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = spglib.get_symmetry_dataset((crystal.lattice, crystal.frac_coords, crystal.numbers), symprec=_SYMPREC)
    return (None, None) if dataset is None else (dataset.international, int(dataset.number))
