"""Whether the bonds of a crystal run through space, along layers, along chains, or end within molecules.

The dimension of a bonded component is the rank of the lattice translations that its bonds lead to (Larsen, Pandey,
Strange and Jacobsen, Phys. Rev. Mater. 3, 034003 (2019)); that of a crystal is the highest of its components, so that
ions between layers do not hide them and molecules in a cage do not count.

Atoms are bonded if they are closer than `RADII_FACTOR` covalent radii (those of `ase.data`), or within `NEAREST_FACTOR`
of the nearest neighbour of one of them, without which salts of heavy ions would fall apart into atoms.

Pymatgen and ASE determine dimensions too, in 16 to 116 ms per crystal, which is several times what a scan takes for all
else, and with more errors (`python -m studies.structures.dimensionality` compares them). Here all crystals of a batch
are searched at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from ase.data import covalent_radii
from numpy.typing import NDArray

from kappatune.structures.neighbours import Pairs, periodic_pairs

if TYPE_CHECKING:
    from kappatune.structures.crystal import Crystal

RADII_FACTOR = 1.24
"""Of the sum of covalent radii. Bonds of GeTe reach 1.22; gaps between chains and layers begin at 1.26 (Te)."""

NEAREST_FACTOR = 1.1
"""Of the distance of the nearest neighbour."""

LONGEST_BOND_ANGSTROM = 6.5
"""Reaches the longest bond by radii, between atoms of francium; farther apart nothing is bonded."""


def dimension(crystal: Crystal) -> int:
    """Directions along which the bonds of a crystal run: 0 (molecules) to 3."""
    pairs = periodic_pairs(crystal.lattice, crystal.frac_coords, LONGEST_BOND_ANGSTROM)
    of_one = np.zeros(crystal.n_atoms, dtype=np.int64)
    return int(_by_pairs(pairs, crystal.numbers, of_one, 1, LONGEST_BOND_ANGSTROM)[0][0])


def dimensions(
    crystals: Sequence[Crystal], pairs: Pairs, crystal_of_atom: NDArray[np.int64], cutoff: float
) -> NDArray[np.int64]:
    """The same for many crystals whose pairs are known.

    Args:
        crystals: The crystals.
        pairs: Within the cutoff, both directions of each; atoms are counted on from crystal to crystal.
        crystal_of_atom: (n_atoms,) position of the crystal that each atom belongs to.
        cutoff: Å. Where bonds may be longer, the crystal is searched again.

    Returns:
        (n_crystals,) 0 to 3.
    """
    numbers = np.concatenate([np.empty(0, dtype=np.int64), *(crystal.numbers for crystal in crystals)])
    found, complete = _by_pairs(pairs, numbers, crystal_of_atom, len(crystals), cutoff)
    for k in np.flatnonzero((found < 3) & ~complete).tolist():
        found[k] = dimension(crystals[k])
    return found


def _by_pairs(
    pairs: Pairs, numbers: NDArray[np.int64], crystal_of_atom: NDArray[np.int64], n_crystals: int, cutoff: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Dimension of each crystal by its bonds within the cutoff, and whether it cannot have longer ones."""
    radii, nearest = covalent_radii[numbers], np.full(len(numbers), np.inf)
    np.minimum.at(nearest, pairs.centre, pairs.distance)
    longest = np.zeros(n_crystals)
    np.maximum.at(longest, crystal_of_atom, np.maximum(2.0 * RADII_FACTOR * radii, NEAREST_FACTOR * nearest))
    found = np.zeros(n_crystals, dtype=np.int64)
    first, second, image = _bonds(pairs, radii, nearest)
    if len(first):
        component, offset = _offsets(first, second, image, len(numbers))
        rank = _ranks(offset[first] + image - offset[second], component[first], int(component.max()) + 1)
        np.maximum.at(found, crystal_of_atom, rank[component])
    return found, longest <= cutoff


def _bonds(
    pairs: Pairs, radii: NDArray[np.float64], nearest: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """The pairs that are bonded: (n_bonds,), (n_bonds,), (n_bonds, 3)."""
    first, second, distance, image = pairs
    by_radii = RADII_FACTOR * (radii[first] + radii[second])
    bonded = np.flatnonzero(
        distance <= np.maximum(by_radii, NEAREST_FACTOR * np.maximum(nearest[first], nearest[second]))
    )
    return first[bonded], second[bonded], image[bonded]


def _offsets(
    first: NDArray[np.int64], second: NDArray[np.int64], image: NDArray[np.float64], n_atoms: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Component of each atom, and the cell in which a spanning tree of its component meets it, (n_atoms, 3).

    A virtual atom holds the trees together, so that one search covers all components.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order, connected_components

    key, bond = np.unique(first * n_atoms + second, return_index=True)
    start, end = np.divmod(key, n_atoms)
    ones = np.ones(len(key), dtype=np.int8)
    _, component = connected_components(csr_array((ones, (start, end)), shape=(n_atoms, n_atoms)), directed=False)
    roots = np.unique(component, return_index=True)[1]
    start, end = np.r_[start, np.full(len(roots), n_atoms)], np.r_[end, roots]
    graph = csr_array((np.ones(len(start), dtype=np.int8), (start, end)), shape=(n_atoms + 1, n_atoms + 1))
    _, above = breadth_first_order(graph, n_atoms)
    above[n_atoms] = n_atoms
    offset = np.zeros((n_atoms + 1, 3))
    below = np.flatnonzero(above[:n_atoms] != n_atoms)
    offset[below] = image[bond[np.searchsorted(key, above[below].astype(np.int64) * n_atoms + below)]]
    while (above != n_atoms).any():
        offset += offset[above]
        above = above[above]
    return component.astype(np.int64), offset[:n_atoms]


def _ranks(cycles: NDArray[np.float64], component: NDArray[np.int64], n_components: int) -> NDArray[np.int64]:
    """(n_components,) rank of the whole-numbered cycles of each component, by the minors of their Gram matrix."""
    xx, yy, zz, yz, xz, xy = (
        np.bincount(component, cycles[:, i] * cycles[:, j], n_components)
        for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
    )
    trace = xx + yy + zz
    minors = xx * yy - xy**2 + yy * zz - yz**2 + xx * zz - xz**2
    determinant = xx * (yy * zz - yz**2) - xy * (xy * zz - yz * xz) + xz * (xy * yz - yy * xz)
    return np.asarray((trace > 0.5).astype(np.int64) + (minors > 0.5) + (determinant > 0.5))
