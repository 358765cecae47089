"""Pairs of atoms of a periodic cell within a distance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_PERIODIC = np.ones(3, dtype=np.int64)


class Pairs(NamedTuple):
    """Directed pairs of atoms, periodic images included.

    Attributes:
        centre: (n_pairs,) index of an atom.
        neighbour: (n_pairs,) index of the other.
        distance: (n_pairs,) Å.
        image: (n_pairs, 3) cell in which the neighbour lies, relative to the centre's, both wrapped into [0, 1).
    """

    centre: NDArray[np.int64]
    neighbour: NDArray[np.int64]
    distance: NDArray[np.float64]
    image: NDArray[np.float64]


def periodic_pairs(lattice: NDArray[np.float64], frac_coords: NDArray[np.float64], cutoff: float) -> Pairs:
    """All directed pairs of atoms within a cutoff, by pymatgen's compiled search.

    Args:
        lattice: (3, 3) row vectors, Å.
        frac_coords: (n_atoms, 3) fractional coordinates.
        cutoff: Å.
    """
    from pymatgen.optimization.neighbors import find_points_in_spheres

    wrapped = np.ascontiguousarray((frac_coords % 1.0) @ lattice)
    centre, neighbour, image, distance = find_points_in_spheres(
        wrapped,
        wrapped,
        r=float(cutoff),
        pbc=_PERIODIC,
        lattice=np.ascontiguousarray(lattice),
        tol=1e-8,
        min_r=1.0,
    )
    apart = (centre != neighbour) | image.any(axis=1)
    return Pairs(centre[apart], neighbour[apart], distance[apart], image[apart])
