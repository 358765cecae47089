"""The same cell as a `Crystal`, for ASE and for phonopy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kappatune.structures import Crystal

if TYPE_CHECKING:
    from ase import Atoms
    from phonopy.structure.atoms import PhonopyAtoms


def crystal_to_ase(crystal: Crystal) -> Atoms:
    """A crystal for ASE."""
    from ase import Atoms

    return Atoms(crystal.numbers, cell=crystal.lattice, scaled_positions=crystal.frac_coords, pbc=True)


def ase_to_phonopy(atoms: Atoms) -> PhonopyAtoms:
    """A cell of ASE for phonopy, with ASE's masses of elements for which phonopy has none, as plutonium."""
    from phonopy.structure.atomic_data import get_atomic_data
    from phonopy.structure.atoms import PhonopyAtoms

    known = [row[3] for row in get_atomic_data().atom_data]
    masses = [known[number] or mass for number, mass in zip(atoms.numbers, atoms.get_masses(), strict=True)]
    return PhonopyAtoms(
        numbers=atoms.numbers,
        masses=masses,
        cell=atoms.cell.array,
        scaled_positions=atoms.get_scaled_positions(wrap=False),
    )


def phonopy_to_ase(cell: PhonopyAtoms) -> Atoms:
    """A cell of phonopy for ASE."""
    from ase import Atoms

    return Atoms(cell.numbers, cell=cell.cell, positions=cell.positions, pbc=True)
