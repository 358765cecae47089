"""The standard cells of a crystal, idealised so that its symmetry holds exactly."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import spglib

from kappatune.calculations.symmetry import primitive_cell
from kappatune.structures import BadCrystal, Crystal

if TYPE_CHECKING:
    from ase import Atoms

IDEAL_SYMPREC = 1e-5
"""Distance within which symmetry holds in an idealised cell, Å: the default of phonopy."""


@dataclass(frozen=True)
class StandardCell:
    """A crystal in its standard cells, idealised.

    Attributes:
        primitive: The primitive standard cell.
        conventional: The conventional standard cell, in the same orientation.
        space_group: International number.
        n_operations: Symmetry operations of the primitive cell.
        dataset: spglib's description of the conventional cell.
    """

    primitive: Atoms
    conventional: Atoms
    space_group: int
    n_operations: int
    dataset: spglib.SpglibDataset


def standardise(crystal: Crystal, symprec: float) -> StandardCell:
    """Find the symmetry within a distance, then idealise the cell so that it holds exactly.

    Args:
        crystal: Any cell of the crystal.
        symprec: Distance within which symmetry holds, Å.

    Raises:
        BadCrystal: No symmetry can be found.
    """
    from ase import Atoms

    primitive, number = primitive_cell(crystal, symprec)
    cell = (primitive.cell.array, primitive.get_scaled_positions(), primitive.numbers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        conventional = spglib.standardize_cell(cell, to_primitive=False, no_idealize=False, symprec=symprec)
        exact = spglib.get_symmetry_dataset(cell, symprec=IDEAL_SYMPREC)
        dataset = None if conventional is None else spglib.get_symmetry_dataset(conventional, symprec=IDEAL_SYMPREC)
    if conventional is None or exact is None or dataset is None:
        raise BadCrystal("no symmetry can be found, not even the identity: check for overlapping atoms")
    lattice, positions, numbers = conventional
    return StandardCell(
        primitive=primitive,
        conventional=Atoms(numbers, cell=lattice, scaled_positions=positions, pbc=True),
        space_group=number,
        n_operations=len(exact.rotations),
        dataset=dataset,
    )
