"""Symmetry of a crystal: its primitive standard cell, and its space group operations in Cartesian axes."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import spglib
from numpy.typing import NDArray

from kappatune.structures import BadCrystal, Crystal

if TYPE_CHECKING:
    from ase import Atoms

FIRST_CUBIC_GROUP = 195
"""International number of the first cubic space group."""

_NO_SYMMETRY = "no symmetry can be found, not even the identity: check for overlapping atoms"
_TOLERANCE = 1e-6


def primitive_cell(crystal: Crystal, symprec: float) -> tuple[Atoms, int]:
    """The primitive standard cell, to which the acoustic Debye temperature and all values per cell refer.

    Args:
        crystal: A checked crystal.
        symprec: Distance within which symmetry holds, Å.

    Returns:
        The cell, and the number of the space group.

    Raises:
        BadCrystal: No symmetry can be found.
    """
    from ase import Atoms

    cell = (crystal.lattice, crystal.frac_coords, crystal.numbers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = spglib.get_symmetry_dataset(cell, symprec=symprec)
        standard = spglib.standardize_cell(cell, to_primitive=True, no_idealize=False, symprec=symprec)
    if dataset is None or standard is None:
        raise BadCrystal(_NO_SYMMETRY)
    lattice, positions, numbers = standard
    return Atoms(numbers, cell=lattice, scaled_positions=positions, pbc=True), int(dataset.number)


@dataclass(frozen=True)
class Symmetry:
    """Space group operations of a cell, in Cartesian axes.

    Attributes:
        rotations: (n, 3, 3).
        images: (n, n_atoms); the atom onto which each operation maps each atom.
    """

    rotations: NDArray[np.float64]
    images: NDArray[np.int64]

    @classmethod
    def of(cls, atoms: Atoms, symprec: float) -> Symmetry:
        """Find the operations of a cell.

        Args:
            atoms: Any periodic cell.
            symprec: Distance within which symmetry holds, Å.

        Raises:
            BadCrystal: No symmetry can be found.
        """
        lattice, frac = atoms.cell.array, atoms.get_scaled_positions()
        found = spglib.get_symmetry((lattice, frac, atoms.numbers), symprec=symprec)
        if found is None:
            raise BadCrystal(_NO_SYMMETRY)
        to_cartesian = lattice.T
        rotations = to_cartesian @ found["rotations"] @ np.linalg.inv(to_cartesian)
        images = np.empty((len(rotations), len(atoms)), dtype=np.int64)
        for k, (rotation, shift) in enumerate(zip(found["rotations"], found["translations"], strict=True)):
            apart = (frac @ rotation.T + shift)[:, None] - frac[None]
            apart = (apart - np.round(apart)) @ lattice
            far = np.einsum("ijk,ijk->ij", apart, apart) + 1e6 * (atoms.numbers[:, None] != atoms.numbers[None])
            images[k] = far.argmin(axis=1)
        return cls(rotations, images)

    def rotate(self, k: int, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Apply operation k to (n_atoms, 3) vectors that belong to the atoms."""
        rotated = np.empty_like(vectors)
        rotated[self.images[k]] = vectors @ self.rotations[k].T
        return rotated

    def operations_keeping(self, tensor: NDArray[np.float64]) -> NDArray[np.int64]:
        """Indices of the operations that leave a symmetric (3, 3) tensor unchanged."""
        rotated = self.rotations @ tensor @ self.rotations.transpose(0, 2, 1)
        return np.flatnonzero(np.abs(rotated - tensor).max(axis=(1, 2)) < _TOLERANCE * np.abs(tensor).max())

    def operation_reversing(self, tensor: NDArray[np.float64], vectors: NDArray[np.float64]) -> int | None:
        """An operation that reverses a symmetric (3, 3) tensor and vectors on the atoms, if there is one."""
        rotated = self.rotations @ tensor @ self.rotations.transpose(0, 2, 1)
        for k in np.flatnonzero(np.abs(rotated + tensor).max(axis=(1, 2)) <= _TOLERANCE * np.abs(tensor).max()):
            if np.abs(self.rotate(int(k), vectors) + vectors).max() < 1e-4:
                return int(k)
        return None

    def free_displacements(self, operations: NDArray[np.int64]) -> NDArray[np.float64]:
        """Displacements that the given operations leave unchanged, without rigid shifts.

        Returns:
            (d, n_atoms, 3), orthonormal; d = 0 where symmetry fixes every atom.
        """
        n_atoms = self.images.shape[1]
        projector = np.zeros((n_atoms, 3, n_atoms, 3))
        for k in operations:
            for atom, image in enumerate(self.images[k]):
                projector[image, :, atom, :] += self.rotations[k] / len(operations)
        projector -= projector.mean(axis=0, keepdims=True)
        values, vectors = np.linalg.eigh(projector.reshape(3 * n_atoms, 3 * n_atoms))
        free: NDArray[np.float64] = vectors[:, values > 0.5].T.reshape(-1, n_atoms, 3)
        return free
