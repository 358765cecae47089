"""How long phono3py takes for a crystal, from what is known before the first force.

The constants are processor times on one thread; another machine may differ by a factor.
`studies.phonons.cost_estimates` fits them, and measures how good the estimates are.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from itertools import islice

import numpy as np

from kappatune.verification.mesh import meshes
from kappatune.verification.prepare import PreparedCrystal
from kappatune.verification.settings import VerifySettings

SETUP_SECONDS = (0.88, 2.8e-5, 2.8e-5)
"""Of everything but transport, with the preparation of the estimate, s: in any case; per symmetry operation and atom of
the supercell; per displacement and atom of it."""

TRANSPORT_SECONDS = (0.051, 7.9e-8, 1.2e-5)
"""Per mesh; per triplet of q-points and P S^2, and P^3, s. phono3py sums the third-order force constants of P atoms of
the primitive cell and S of the supercell over lattice vectors, then over the atoms of three modes."""


@dataclass(frozen=True)
class Phono3pyWork:
    """What phono3py has to do for a crystal.

    Attributes:
        n_primitive: Atoms of the primitive cell.
        n_atoms: Atoms of the supercell for third order.
        n_operations: Symmetry operations of that supercell, translations among them.
        n_displacements: Displacements for third order, those beyond the cutoff among them.
        n_triplets: Triplets of q-points that symmetry leaves independent, summed over the independent q-points of the
            first mesh, of that of the settings, and of the next finer one.
    """

    n_primitive: int
    n_atoms: int
    n_operations: int
    n_displacements: int
    n_triplets: tuple[float, float, float]

    @classmethod
    def of(cls, prepared: PreparedCrystal, settings: VerifySettings) -> Phono3pyWork:
        """The work for a crystal.

        Args:
            prepared: With displacements.
            settings: Length of the mesh.
        """
        phonons = prepared.phono3py
        rotations = phonons.primitive_symmetry.pointgroup_operations
        inversion = any((np.asarray(rotation) == -np.eye(3)).all() for rotation in rotations)
        n_rotations = len(rotations) * (1 if inversion else 2)  # a phonon and its time reverse are equivalent
        coarse, usual, finer = (
            n_triplets(mesh.n_points, n_rotations) for mesh in islice(meshes(phonons, settings.mesh_length), 3)
        )
        return cls(
            n_primitive=len(phonons.primitive),
            n_atoms=len(phonons.supercell),
            n_operations=len(phonons.symmetry.symmetry_operations["rotations"]),
            n_displacements=len(prepared.displaced_cells) - 1,
            n_triplets=(coarse, usual, finer),
        )

    @property
    def sums(self) -> tuple[float, float]:
        """Terms per triplet, in the order of `TRANSPORT_SECONDS`."""
        return float(self.n_primitive * self.n_atoms**2), float(self.n_primitive**3)

    @property
    def setup_seconds(self) -> float:
        """Everything but transport, s."""
        always, per_operation, per_displacement = SETUP_SECONDS
        return always + (per_operation * self.n_operations + per_displacement * self.n_displacements) * self.n_atoms

    @property
    def transport_seconds(self) -> float:
        """Transport, s on one thread: the geometric mean of two meshes and three, for who knows whether two suffice."""
        per_mesh, *per_term = TRANSPORT_SECONDS
        per_triplet = sum(seconds * terms for seconds, terms in zip(per_term, self.sums, strict=True))
        first, second, third = (per_mesh + per_triplet * n for n in self.n_triplets)
        return math.sqrt((first + second) * (first + second + third))


def n_threads() -> int:
    """Threads that share the triplets."""
    return int(os.environ.get("RAYON_NUM_THREADS") or os.cpu_count() or 1)


def n_triplets(n_points: float, n_rotations: int) -> float:
    """Triplets of q-points with q + q' + q'' = G that symmetry leaves independent, summed over the independent q.

    Of N^2 triplets those that differ by a rotation, or by the order of q' and q'', are one; N more is about what those
    add that a rotation maps onto themselves.

    Args:
        n_points: N.
        n_rotations: Rotations of the point group, time reversal among them.
    """
    return n_points**2 / (2 * n_rotations) + n_points
