"""Force constants from forces, set on phono3py's object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kappatune.verification.forces import Forces

if TYPE_CHECKING:
    from phono3py import Phono3py


def set_second_order(phonons: Phono3py, forces: Forces) -> None:
    """Second-order force constants, with the symmetry of translation and permutation.

    Args:
        phonons: With displacements.
        forces: Of the harmonic supercell at rest, then with each displaced atom; the forces at rest are subtracted.
    """
    phonons.phonon_forces = forces[1:] - forces[0]
    phonons.produce_fc2()
    phonons.symmetrize_fc2()


def set_third_order(phonons: Phono3py, forces: Forces) -> None:
    """Third-order force constants, with the symmetry of translation and permutation.

    Where a pair was not displaced, an element is the mean of those of its six permutations that are known, and zero
    if none is. This is what phono3py does too, but its Python loop over all triples of the supercell takes longer than
    the forces.

    Args:
        phonons: With displacements and second-order force constants.
        forces: Of the supercell at rest, then with each displaced pair; the forces at rest are subtracted. Those of
            pairs beyond the cutoff are not used.
    """
    from phono3py.phonon3.fc3 import set_permutation_symmetry_compact_fc3

    fc2 = phonons.fc2
    displaced = np.array([cell is not None for cell in phonons.supercells_with_displacements])
    phonons.forces = np.where(displaced[:, None, None], forces[1:] - forces[0], 0.0)
    dataset = phonons.dataset
    assert dataset is not None
    cutoff = dataset.pop("cutoff_distance")
    phonons.produce_fc3()
    dataset["cutoff_distance"] = cutoff
    fc3 = phonons.fc3
    assert fc3 is not None
    known = (pair_distances(phonons) < cutoff)[:, :, None, None, None, None]
    sums = np.ascontiguousarray(np.where(known, fc3, 0.0))
    counts = np.ascontiguousarray(np.broadcast_to(known, fc3.shape).astype(np.float64))
    for array in (sums, counts):
        set_permutation_symmetry_compact_fc3(array, phonons.primitive)
    phonons.fc3 = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0.1)
    phonons.symmetrize_fc3()
    phonons.fc2 = fc2


def pair_distances(phonons: Phono3py) -> NDArray[np.float64]:
    """Distance to the nearest image, (n_primitive, n_supercell) Å, of each pair of the primitive cell's atoms."""
    vectors, multiplicity = phonons.primitive.get_smallest_vectors()
    lengths = np.linalg.norm(vectors @ phonons.primitive.cell, axis=1)
    return np.asarray(lengths[multiplicity[:, :, 1]].T)
