"""Which crystals are one: the same up to the choice of cell, axes, origin and order of the atoms.

Crystals are compared by their average minimum distances (Widdowson, Mosca, Pulido, Cooper and Kurlin, MATCH Commun.
Math. Comput. Chem. 87, 529 (2022)), here for each pair of elements: the distance from an atom of one to its first,
second, ... nearest neighbour of the other, averaged over the atoms. They do not depend on how the crystal is described,
and change little when the atoms move a little.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kappatune.structures.crystal import Crystal, n_translations, neighbour_pairs

VOLUME_TOLERANCE = 0.06
"""Relative; PBE and PBEsol cells of one crystal differ by 3 to 5 %, and kappa by a third at most for 6 %."""

DISTANCE_TOLERANCE = 0.02
"""Relative, of every mean distance; long polytypes of SiC differ by 0.01 to 0.03, other polymorphs by more."""

_TRANSLATION_TOLERANCE = 0.1
_REACH = 3.2
_NEIGHBOURS = 100
_FEWEST = 4


def same_crystals(crystals: Sequence[Crystal]) -> list[list[int]]:
    """Groups of crystals that are one crystal.

    Two are one if they have the same formula, the same number of atoms in the primitive cell, volumes within
    `VOLUME_TOLERANCE` and, at equal volume, mean distances within `DISTANCE_TOLERANCE`. Mirror images are one crystal.

    Args:
        crystals: Checked crystals.

    Returns:
        Groups of at least two, as indices in ascending order; each member is compared with the first of its group.
    """
    by_formula = defaultdict(list)
    for index, crystal in enumerate(crystals):
        by_formula[crystal.formula_key].append(index)
    groups = []
    for indices in by_formula.values():
        if len(indices) > 1:
            groups += _groups_of_formula([(index, crystals[index]) for index in indices])
    return sorted(groups)


def mean_distances(crystal: Crystal) -> NDArray[np.float64]:
    """(m,) mean distances to near neighbours, in units of the edge of the volume per atom; m depends on the formula.

    One distance per ordered pair of elements and rank of the neighbour, about 100 ranks for all elements together.
    Distances end at 3.2 units, beyond which neighbours are not sought.
    """
    unit = (crystal.volume / crystal.n_atoms) ** (1 / 3)
    centre, neighbour, distance = neighbour_pairs(crystal, _REACH * unit)
    elements, counts = np.unique(crystal.numbers, return_counts=True)
    means = []
    for element, count in zip(elements, counts, strict=True):
        chosen = crystal.numbers[neighbour] == element
        atoms, apart = centre[chosen], distance[chosen] / unit
        order = np.lexsort((apart, atoms))
        atoms, apart = atoms[order], apart[order]
        rank = np.arange(len(atoms)) - np.searchsorted(atoms, atoms)
        n_ranks = max(_FEWEST, round(_NEIGHBOURS * count / crystal.n_atoms))
        nearest = np.full((crystal.n_atoms, n_ranks), _REACH)
        near = rank < n_ranks
        nearest[atoms[near], rank[near]] = apart[near]
        means += [nearest[crystal.numbers == other].mean(axis=0) for other in elements]
    return np.concatenate(means)


def _groups_of_formula(entries: list[tuple[int, Crystal]]) -> list[list[int]]:
    """The groups among crystals of one formula; only what may have a partner is looked at closely."""
    primitive = [crystal.n_atoms // n_translations(crystal, _TRANSLATION_TOLERANCE) for _, crystal in entries]
    volume = [crystal.volume / crystal.n_atoms for _, crystal in entries]
    keys = np.array([primitive, volume]).T
    alike = (keys[:, None, 0] == keys[:, 0]) & (np.abs(np.log(keys[:, None, 1] / keys[:, 1])) < VOLUME_TOLERANCE)
    groups: list[list[int]] = []
    firsts: list[tuple[int, NDArray[np.float64]]] = []
    for k in np.flatnonzero(alike.sum(axis=1) > 1):
        index, crystal = entries[k]
        means = mean_distances(crystal)
        for group, (first, of_first) in zip(groups, firsts, strict=True):
            if alike[first, k] and np.abs(means / of_first - 1).max() < DISTANCE_TOLERANCE:
                group.append(index)
                break
        else:
            groups.append([index])
            firsts.append((int(k), means))
    return [group for group in groups if len(group) > 1]
