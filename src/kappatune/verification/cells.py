"""From a crystal to supercells with displaced atoms."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import spglib
from numpy.typing import NDArray

from kappatune.calculations.symmetry import primitive_cell
from kappatune.structures import BadCrystal, Crystal
from kappatune.structures.crystal import neighbour_pairs
from kappatune.verification.forces import cell_hash
from kappatune.verification.outcomes import TooLarge
from kappatune.verification.settings import VerifySettings

if TYPE_CHECKING:
    from ase import Atoms
    from phono3py import Phono3py
    from phonopy.structure.atoms import PhonopyAtoms

GAP_WINDOW = 0.1
"""How far, relative to it, the pair cutoff moves to find a gap between neighbour distances."""

IDEAL_SYMPREC = 1e-5
"""Distance within which symmetry holds in an idealised cell, Å: phonopy's own."""


@dataclass(frozen=True)
class Standard:
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


def standardise(crystal: Crystal, symprec: float) -> Standard:
    """Find the symmetry within a distance, then idealise the cell so that it holds exactly.

    Args:
        crystal: Any cell of the crystal.
        symprec: Å.

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
    return Standard(
        primitive=primitive,
        conventional=Atoms(numbers, cell=lattice, scaled_positions=positions, pbc=True),
        space_group=number,
        n_operations=len(exact.rotations),
        dataset=dataset,
    )


def supercell_matrices(standard: Standard, settings: VerifySettings) -> tuple[Atoms, list[int], list[int]]:
    """The cell to repeat, and how often along each vector for third and for second order.

    The multiplicities make the supercell as round as the symmetry of the lattice and the number of atoms allow
    (phonopy's `estimate_supercell_matrix`). A conventional cell beyond that number gives way to the primitive one.
    """
    from phonopy.structure.cells import estimate_supercell_matrix

    if len(standard.conventional) > settings.max_atoms and len(standard.primitive) < len(standard.conventional):
        return standard.primitive, [1, 1, 1], [1, 1, 1]
    dataset = standard.dataset
    return (
        standard.conventional,
        [int(n) for n in estimate_supercell_matrix(dataset, max_num_atoms=settings.max_atoms)],
        [int(n) for n in estimate_supercell_matrix(dataset, max_num_atoms=settings.max_harmonic_atoms)],
    )


def pair_cutoff(primitive: Atoms, settings: VerifySettings) -> float:
    """The largest distance of a displaced pair, Å (see `VerifySettings.reach`)."""
    if settings.pair_cutoff is not None:
        return settings.pair_cutoff
    wanted = settings.reach * (primitive.get_volume() / len(primitive)) ** (1 / 3)
    low, high = (1 - GAP_WINDOW) * wanted, (1 + GAP_WINDOW) * wanted
    distances = neighbour_pairs(Crystal.from_ase(primitive), high)[2]
    edges = np.unique([low, *distances[distances > low], high])
    widest = int(np.argmax(np.diff(edges)))
    return float(edges[widest : widest + 2].mean())


def displaced(standard: Standard, settings: VerifySettings) -> Phono3py:
    """The crystal with all its displacements, before any force.

    Raises:
        TooLarge: There are more of them than `max_forces`.
    """
    from phono3py import Phono3py

    cell, matrix, harmonic = supercell_matrices(standard, settings)
    phonons = Phono3py(
        phonopy_cell(cell),
        supercell_matrix=matrix,
        primitive_matrix="P" if cell is standard.primitive else standard.dataset.international[0],
        phonon_supercell_matrix=harmonic,
        symprec=IDEAL_SYMPREC,
        log_level=0,
    )
    phonons.generate_displacements(
        distance=settings.displacement, cutoff_pair_distance=pair_cutoff(standard.primitive, settings)
    )
    n_forces = number_of_forces(phonons)
    if n_forces > settings.max_forces:
        raise TooLarge(
            f"{n_forces} force calculations of {len(phonons.supercell)} atoms, more than max_forces = "
            f"{settings.max_forces}: shorten the pair cutoff or take a lower quality"
        )
    return phonons


def harmonic_cells(phonons: Phono3py) -> list[Atoms]:
    """The supercell at rest, then those with one displaced atom."""
    return [ase_cell(cell) for cell in (phonons.phonon_supercell, *phonons.phonon_supercells_with_displacements)]


def pair_cells(phonons: Phono3py) -> list[Atoms | None]:
    """The supercell at rest, then those with displaced pairs; None stands for a pair beyond the cutoff."""
    displaced_cells = phonons.supercells_with_displacements
    return [ase_cell(phonons.supercell), *(None if cell is None else ase_cell(cell) for cell in displaced_cells)]


def number_of_forces(phonons: Phono3py) -> int:
    """Force calculations in all; a cell that occurs twice counts once."""
    return len({cell_hash(cell) for cell in (*harmonic_cells(phonons), *pair_cells(phonons)) if cell is not None})


def pair_distances(phonons: Phono3py) -> NDArray[np.float64]:
    """Distance to the nearest image, (n_primitive, n_supercell) Å, of each pair of the primitive cell's atoms."""
    vectors, multiplicity = phonons.primitive.get_smallest_vectors()
    lengths = np.linalg.norm(vectors @ phonons.primitive.cell, axis=1)
    return np.asarray(lengths[multiplicity[:, :, 1]].T)


def crystal_atoms(crystal: Crystal) -> Atoms:
    """A crystal as ASE has it."""
    from ase import Atoms

    return Atoms(crystal.numbers, cell=crystal.lattice, scaled_positions=crystal.frac_coords, pbc=True)


def phonopy_cell(atoms: Atoms) -> PhonopyAtoms:
    """The same cell for phonopy."""
    from phonopy.structure.atoms import PhonopyAtoms

    return PhonopyAtoms(
        numbers=atoms.numbers, cell=atoms.cell.array, scaled_positions=atoms.get_scaled_positions(wrap=False)
    )


def ase_cell(cell: PhonopyAtoms) -> Atoms:
    """The same cell for ASE."""
    from ase import Atoms

    return Atoms(cell.numbers, cell=cell.cell, positions=cell.positions, pbc=True)
