"""What a crystal is, whatever its cell: formula, volume per atom, and distances of its elements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kappatune.structures import Crystal
from kappatune.structures.crystal import neighbour_pairs

FAR_ANGSTROM = 6.0
NEAREST = 8
DISTANCE_TOLERANCE_ANGSTROM = 0.05
"""Readers round special positions differently, by up to this much."""

VOLUME_TOLERANCE = 0.01


@dataclass(frozen=True)
class Fingerprint:
    """The same for all cells of one crystal, supercells too.

    Attributes:
        formula: Reduced, in pymatgen's spelling.
        volume_per_atom: Å^3.
        distances: By pair of elements, (8,) distances from an atom of the first to its nearest ones of the second, Å:
            sorted for each atom, then averaged over the atoms. Beyond 6 Å they count as 6.
    """

    formula: str
    volume_per_atom: float
    distances: dict[tuple[int, int], NDArray[np.float64]]

    @classmethod
    def of(cls, crystal: Crystal) -> Fingerprint:
        """The fingerprint of a checked crystal."""
        centre, neighbour, distance = neighbour_pairs(crystal, FAR_ANGSTROM)
        elements = np.unique(crystal.numbers).tolist()
        distances = {
            (one, other): _mean_sorted(
                crystal.numbers == one,
                centre,
                distance,
                (crystal.numbers[centre] == one) & (crystal.numbers[neighbour] == other),
            )
            for one in elements
            for other in elements
        }
        return cls(crystal.formula_key, crystal.volume / crystal.n_atoms, distances)

    def as_json(self) -> dict[str, Any]:
        """All fields as JSON holds them."""
        distances = [[*pair, *nearest.tolist()] for pair, nearest in self.distances.items()]
        return {"formula": self.formula, "volume_per_atom": self.volume_per_atom, "distances": distances}

    @classmethod
    def of_json(cls, fields: dict[str, Any]) -> Fingerprint:
        """What `as_json` gave."""
        distances = {(one, other): np.array(nearest) for one, other, *nearest in fields["distances"]}
        return cls(fields["formula"], fields["volume_per_atom"], distances)

    def differs_from(self, other: Fingerprint) -> str:
        """What tells two crystals apart; empty if nothing does."""
        if self.formula != other.formula:
            return f"formula {self.formula}, {other.formula}"
        if abs(self.volume_per_atom / other.volume_per_atom - 1) > VOLUME_TOLERANCE:
            return f"Å^3 per atom {self.volume_per_atom:.2f}, {other.volume_per_atom:.2f}"
        apart = max(float(np.abs(self.distances[pair] - other.distances[pair]).max()) for pair in self.distances)
        return f"distances by {apart:.2f} Å" if apart > DISTANCE_TOLERANCE_ANGSTROM else ""


def _mean_sorted(
    atoms: NDArray[np.bool_], centre: NDArray[np.int64], distance: NDArray[np.float64], wanted: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(8,) nearest distances, averaged over atoms."""
    order = np.lexsort((distance[wanted], centre[wanted]))
    of_atom, sorted_distance = centre[wanted][order], distance[wanted][order]
    rank = np.arange(len(of_atom)) - np.searchsorted(of_atom, of_atom)
    table = np.full((len(atoms), NEAREST), FAR_ANGSTROM)
    near = rank < NEAREST
    table[of_atom[near], rank[near]] = sorted_distance[near]
    nearest: NDArray[np.float64] = table[atoms].mean(axis=0)
    return nearest
