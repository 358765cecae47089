"""How many atoms the primitive cell has, as a number that is continuous in the positions of the atoms.

The acoustic Debye temperature depends on that number. A count of the translations that map a crystal onto itself
(`kappatune.structures.crystal.n_translations`) jumps when an atom moves by more than a tolerance; here each translation
counts by how well it maps the crystal onto itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from kappatune.structures.crystal import Crystal

FULL_WEIGHT_ANGSTROM = 0.1
"""Translations that leave the atoms at most this far from their places (root mean square) count in full."""

NO_WEIGHT_ANGSTROM = 0.5
"""Those that leave them at least this far do not count."""

_REACH = 2.0
"""Å; an atom without one of its kind within this distance counts as so far off."""

_BLOCK = 8
_PAIRS = 2_000
_FEW_SITES = 32

_Nearest = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def effective_n_translations(crystal: Crystal) -> float:
    """Translations that map the crystal onto itself, each between 0 and 1: 1.0 in all for a primitive cell.

    A translation counts by `weight` of its mismatch: the root mean square distance, over all atoms, of an atom's image
    to the nearest atom of its element, after the shift that makes the distances least. So a supercell whose atoms are
    off their places by thermal motion has the translations of the perfect one.

    Args:
        crystal: A checked crystal.
    """
    elements, counts = np.unique(crystal.numbers, return_counts=True)
    if math.gcd(*counts.tolist()) == 1:
        return 1.0
    order = np.argsort(counts, kind="stable")
    sites = [crystal.frac_coords[crystal.numbers == elements[k]] for k in order]
    shifts = sites[0][1:] - sites[0][0]
    return 1.0 + float(weight(_mismatches(shifts, sites, crystal.lattice)).sum())


def weight(mismatch: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) weights of mismatches in Å: 1 up to `FULL_WEIGHT_ANGSTROM`, 0 from `NO_WEIGHT_ANGSTROM` on, smooth between.

    Between the two it is the polynomial of fifth order whose first and second derivatives vanish at both ends.
    """
    x = ((mismatch - FULL_WEIGHT_ANGSTROM) / (NO_WEIGHT_ANGSTROM - FULL_WEIGHT_ANGSTROM)).clip(0.0, 1.0)
    result: NDArray[np.float64] = (1.0 - x) ** 3 * (1.0 + 3.0 * x + 6.0 * x**2)
    return result


def _mismatches(
    shifts: NDArray[np.float64], sites: list[NDArray[np.float64]], lattice: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(n,) mismatches of fractional translations, Å, capped at `NO_WEIGHT_ANGSTROM`.

    Atoms are visited block by block; a translation whose squares add up to more than could still count is dropped.
    """
    n_atoms = sum(map(len, sites))
    limit = n_atoms * NO_WEIGHT_ANGSTROM**2
    total, squares = np.zeros((len(shifts), 3)), np.zeros(len(shifts))
    left = np.arange(len(shifts))
    visited = 0
    heights = 1.0 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    for of_element in sites:
        nearest = _nearest_of(of_element, lattice, heights)
        size = max(_BLOCK, _PAIRS // (len(left) * len(of_element)))
        for start in range(0, len(of_element), size):
            block = of_element[start : start + size]
            images = (block[None] + shifts[left][:, None]).reshape(-1, 3)
            offsets = nearest(images).reshape(len(left), len(block), 3)
            total[left] += offsets.sum(axis=1)
            squares[left] += np.square(offsets).sum(axis=(1, 2))
            visited += len(block)
            left = left[squares[left] - np.square(total[left]).sum(axis=1) / visited < limit]
            if not len(left):
                return np.full(len(shifts), NO_WEIGHT_ANGSTROM)
    mismatch = np.full(len(shifts), NO_WEIGHT_ANGSTROM)
    variance = squares[left] / n_atoms - np.square(total[left] / n_atoms).sum(axis=1)
    mismatch[left] = np.sqrt(variance.clip(min=0.0))
    return mismatch


def _nearest_of(sites: NDArray[np.float64], lattice: NDArray[np.float64], heights: NDArray[np.float64]) -> _Nearest:
    """How to find, for (n, 3) fractional places, the (n, 3) vectors to the nearest of the sites, Å.

    Where no site is within `_REACH`, the vector is that long, along x. `heights` are those of the cell, Å.
    """
    if len(sites) <= _FEW_SITES and heights.min() > 2.0 * _REACH:
        return lambda places: _nearest_of_few(places, sites, lattice)
    tree = _tree_with_images(sites, lattice, _REACH / heights)

    def nearest(places: NDArray[np.float64]) -> NDArray[np.float64]:
        inside = (places - np.floor(places)) @ lattice
        distance, index = tree.query(inside, distance_upper_bound=_REACH)
        found = np.isfinite(distance)
        offsets = np.tile([_REACH, 0.0, 0.0], (len(places), 1))
        offsets[found] = tree.data[index[found]] - inside[found]
        return offsets

    return nearest


def _nearest_of_few(
    places: NDArray[np.float64], sites: NDArray[np.float64], lattice: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The same by all pairs: in a cell whose planes are more than twice the reach apart, rounding finds the image."""
    apart = sites[None] - places[:, None]
    vectors = (apart - np.rint(apart)) @ lattice
    square = np.einsum("ijk,ijk->ij", vectors, vectors)
    index = square.argmin(axis=1)
    rows = np.arange(len(places))
    offsets: NDArray[np.float64] = np.where(
        square[rows, index][:, None] < _REACH**2, vectors[rows, index], [_REACH, 0.0, 0.0]
    )
    return offsets


def _tree_with_images(sites: NDArray[np.float64], lattice: NDArray[np.float64], margin: NDArray[np.float64]) -> cKDTree:
    """Sites of the cell and of those around it, up to a margin, in units of the lattice vectors."""
    wrapped = sites - np.floor(sites)
    images = []
    for image in product(*(range(-math.ceil(m), math.ceil(m) + 1) for m in margin)):
        moved = wrapped + image
        images.append(moved[((moved >= -margin) & (moved <= 1.0 + margin)).all(axis=1)])
    return cKDTree(np.concatenate(images) @ lattice)
