"""The meshes of q-points on which kappa is computed, one after the other, until it no longer changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from phono3py import Phono3py

COARSE_MESH = 0.75
"""Length of the first mesh, with which that of the settings is compared, in units of it."""

REFINEMENT = 1.25
"""Factor of the mesh length from one refinement to the next."""

FEWEST_POINTS = 3
"""Least number along a vector. One or two lie at the centre and on the boundary of the Brillouin zone, where symmetry
often lets no phonon travel along the vector: kappa along it would come out as zero."""


class Mesh(NamedTuple):
    """A mesh of q-points.

    Attributes:
        numbers: (3,) points along each vector.
        vectors: (3, 3) lattice vectors to whose reciprocals the numbers belong, as rows, in units of those of the
            primitive cell: these themselves, or those of the conventional cell where the symmetry asks for it.
    """

    numbers: NDArray[np.int64]
    vectors: NDArray[np.int64]

    @classmethod
    def of_length(cls, phonons: Phono3py, length: float) -> Self:
        """phono3py's mesh for a length, Å."""
        from phonopy.phonon.grid import GridMatrix

        cell, symmetry = phonons.primitive.cell, phonons.primitive_symmetry.dataset
        try:
            numbers = GridMatrix(length, cell, symmetry_dataset=symmetry, use_grg=False).D_diag
        except RuntimeError:  # such numbers along the vectors of the primitive cell would break the symmetry
            matrix = GridMatrix(length, cell, symmetry_dataset=symmetry, use_grg=True).grid_matrix
            assert matrix is not None
            numbers = np.gcd.reduce(matrix, axis=1)
            return cls(numbers, matrix // numbers[:, None])
        return cls(np.array(numbers), np.eye(3, dtype=np.int64))

    @property
    def grid(self) -> NDArray[np.int64]:
        """The mesh as phono3py takes it: (3,) numbers, or the (3, 3) matrix of a generalised regular grid."""
        return self.numbers if np.array_equal(self.vectors, np.eye(3)) else self.numbers[:, None] * self.vectors

    @property
    def n_points(self) -> int:
        """Number of its points."""
        return int(np.prod(self.numbers) * abs(round(np.linalg.det(self.vectors))))

    def at_least(self, numbers: NDArray[np.int64] | int) -> Self:
        """The mesh with more points along vectors that have fewer than these."""
        return self._replace(numbers=np.maximum(self.numbers, numbers))

    def finer_than(self, coarser: Mesh) -> Self:
        """The mesh with at least one point more along each vector than a coarser one, if the vectors are the same."""
        return self.at_least(coarser.numbers + 1) if np.array_equal(self.vectors, coarser.vectors) else self


def meshes(phonons: Phono3py, length: float) -> Iterator[Mesh]:
    """A mesh of 3/4 of a length, one of the length, and ever finer ones; each is finer along every vector.

    Args:
        phonons: With the primitive cell.
        length: The number of points along a lattice vector is this length over that of the vector, Å.
    """
    mesh = Mesh.of_length(phonons, COARSE_MESH * length).at_least(FEWEST_POINTS)
    while True:
        yield mesh
        mesh = Mesh.of_length(phonons, length).at_least(FEWEST_POINTS).finer_than(mesh)
        length *= REFINEMENT
