"""Mode Grüneisen parameters from the third-order force constants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from phono3py import Phono3py
    from phonopy import Phonopy
    from phonopy.structure.cells import Primitive

ZERO_THZ = 1e-2
"""Modes below are at rest or move the crystal as a whole: they have no Grüneisen parameter. As phono3py's cutoff."""


def mode_gruneisen(phonons: Phono3py, harmonic: Phonopy, qpoints: NDArray[np.float64]) -> NDArray[np.float64]:
    """-d ln omega / d ln V of phonon modes, with the atoms relaxed within the strained cell.

    First-order perturbation by the change of the second-order force constants with the volume, which the third-order
    ones give (Togo, Chaput and Tanaka, Phys. Rev. B 91, 094306 (2015), section II F). phono3py computes the same for a
    second order in the supercell of the third; here the second order may have a supercell of its own, and only the
    compact third-order constants are held.

    Args:
        phonons: With second- and third-order force constants.
        harmonic: Of the same crystal.
        qpoints: (n_q, 3) fractional.

    Returns:
        (n_q, n_bands); zero for modes below 0.01 THz. Born charges are kept as they are when the volume changes.
    """
    from phonopy import Phonopy

    strained = Phonopy(
        phonons.unitcell,
        supercell_matrix=phonons.supercell_matrix,
        primitive_matrix=phonons.primitive_matrix,
        symprec=phonons.symmetry.tolerance,
        log_level=0,
    )
    strained.force_constants = volume_derivative(phonons, harmonic)
    squares, modes = np.linalg.eigh(dynamical_matrices(harmonic, qpoints))
    change = np.einsum("qis,qij,qjs->qs", modes.conj(), dynamical_matrices(strained, qpoints), modes, optimize=True)
    moving = squares > (ZERO_THZ / harmonic.unit_conversion_factor) ** 2
    return np.where(moving, -change.real / (2 * np.where(moving, squares, 1.0)), 0.0)


def dynamical_matrices(crystal: Phonopy, qpoints: NDArray[np.float64]) -> NDArray[np.complex128]:
    """(n_q, n_bands, n_bands), in phonopy's unit."""
    return np.asarray(crystal.run_qpoints(qpoints, with_dynamical_matrices=True).dynamical_matrices)


def volume_derivative(phonons: Phono3py, harmonic: Phonopy) -> NDArray[np.float64]:
    """Change of the compact second-order force constants with ln V, (n_primitive, n_supercell, 3, 3) eV/Å^2.

    Args:
        phonons: With third-order force constants.
        harmonic: With second-order force constants.
    """
    assert phonons.fc3 is not None
    primitive = phonons.primitive
    within = internal_displacements(harmonic)
    atom = np.array([primitive.p2p_map[index] for index in primitive.s2p_map])
    outwards = separations(primitive) / 3 + within[atom]
    return np.asarray(np.einsum("npmijk,nmk->npij", phonons.fc3, outwards))


def internal_displacements(harmonic: Phonopy) -> NDArray[np.float64]:
    """Displacements per d ln V by which the atoms of an expanded cell come to rest, (n_primitive, 3) Å.

    Args:
        harmonic: With second-order force constants.
    """
    primitive = harmonic.primitive
    n_atoms = len(primitive)
    constants = np.asarray(harmonic.force_constants)
    if len(constants) != n_atoms:
        constants = constants[primitive.p2s_map]
    forces = -np.einsum("nmij,nmj->ni", constants, separations(primitive)) / 3
    atom = np.array([primitive.p2p_map[index] for index in primitive.s2p_map])
    at_gamma = np.zeros((n_atoms, 3, n_atoms, 3))
    for k in range(n_atoms):
        at_gamma[:, :, k] = constants[:, atom == k].sum(axis=1)
    return np.asarray(np.linalg.pinv(at_gamma.reshape(3 * n_atoms, -1), rcond=1e-6) @ forces.ravel()).reshape(-1, 3)


def separations(primitive: Primitive) -> NDArray[np.float64]:
    """(n_primitive, n_supercell, 3) Å from each atom to the nearest images of the others; the mean of equally near."""
    vectors, multiplicity = primitive.get_smallest_vectors()
    found = np.zeros((*multiplicity.shape[:2], 3))
    for place in np.ndindex(found.shape[:2]):
        count, start = multiplicity[place]
        found[place] = vectors[start : start + count].mean(axis=0)
    return np.asarray((found @ primitive.cell).transpose(1, 0, 2))
