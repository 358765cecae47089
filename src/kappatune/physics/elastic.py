"""Elastic constants: independent ones by symmetry, the strains that determine them, averages and stability.

Voigt order xx, yy, zz, yz, xz, xy; strains with engineering shears (twice the tensor's); stiffness in GPa.
Sources: Nye, Physical Properties of Crystals (1957); Hill, Proc. Phys. Soc. A 65, 349 (1952);
Mouhat and Coudert, Phys. Rev. B 90, 224104 (2014) for stability.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from kappatune.errors import UserError

VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
_UPPER = [(i, j) for i in range(6) for j in range(i, 6)]
_RANK_TOLERANCE = 1e-8


class BadElasticity(UserError):
    """The elastic constants are not those of a stable crystal."""


def strain_tensor(voigt: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3) symmetric tensor of a (6,) strain with engineering shears."""
    tensor = np.empty((3, 3))
    for value, (i, j) in zip(voigt, VOIGT, strict=True):
        tensor[i, j] = tensor[j, i] = value if i == j else 0.5 * value
    return tensor


def stress_rotation(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """(6, 6) matrix M with sigma' = M sigma for a (3, 3) Cartesian rotation; then C' = M C M^T."""
    columns = []
    for i, j in VOIGT:
        tensor = np.zeros((3, 3))
        tensor[i, j] = tensor[j, i] = 1.0
        rotated = rotation @ tensor @ rotation.T
        columns.append([rotated[k, m] for k, m in VOIGT])
    return np.array(columns).T


def invariant_basis(rotations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Stiffness matrices that a point group leaves unchanged.

    Args:
        rotations: (n, 3, 3) Cartesian rotations of the whole group.

    Returns:
        (k, 6, 6) symmetric matrices, orthonormal: k = 3 for cubic, 5 for hexagonal, ..., 21 for triclinic crystals.
    """
    matrices = np.array([stress_rotation(r) for r in rotations])
    columns = []
    for i, j in _UPPER:
        unit = np.zeros((6, 6))
        unit[i, j] = unit[j, i] = 1.0
        columns.append((matrices @ unit @ matrices.transpose(0, 2, 1)).mean(axis=0).ravel())
    left, sizes, _ = np.linalg.svd(np.array(columns).T, full_matrices=False)
    basis: NDArray[np.float64] = left[:, sizes > _RANK_TOLERANCE * sizes[0]].T.reshape(-1, 6, 6)
    return basis


def strain_patterns(basis: NDArray[np.float64]) -> list[int]:
    """The fewest single Voigt strains whose stresses determine the stiffness: two for a cubic crystal.

    Args:
        basis: (k, 6, 6) of `invariant_basis`.

    Returns:
        Voigt indices, 0 to 5.
    """
    for size in range(1, 7):
        for chosen in combinations(range(6), size):
            stresses = basis[:, :, list(chosen)].reshape(len(basis), -1)
            if np.linalg.matrix_rank(stresses, tol=1e-6) == len(basis):
                return list(chosen)
    return list(range(6))


def fit_stiffness(
    basis: NDArray[np.float64], patterns: list[int], responses: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Stiffness of the right symmetry by least squares from the stresses.

    Args:
        basis: (k, 6, 6) of `invariant_basis`.
        patterns: (p,) Voigt indices of the strains.
        responses: (p, 6) derivative of the stress by each strain, GPa.

    Returns:
        (6, 6) symmetric stiffness, GPa.
    """
    design = basis[:, :, patterns].transpose(2, 1, 0).reshape(-1, len(basis))
    coefficients = np.linalg.lstsq(design, responses.ravel(), rcond=None)[0]
    return np.tensordot(coefficients, basis, axes=1)


@dataclass(frozen=True)
class Moduli:
    """Isotropic averages of a stiffness, GPa: Voigt's (upper), Reuss's (lower) and Hill's (mean) bounds."""

    bulk_voigt: float
    bulk_reuss: float
    shear_voigt: float
    shear_reuss: float

    @property
    def bulk(self) -> float:
        """Hill's bulk modulus, GPa."""
        return 0.5 * (self.bulk_voigt + self.bulk_reuss)

    @property
    def shear(self) -> float:
        """Hill's shear modulus, GPa."""
        return 0.5 * (self.shear_voigt + self.shear_reuss)

    @property
    def poisson_ratio(self) -> float:
        """Poisson ratio of Hill's moduli."""
        return poisson_ratio(self.bulk, self.shear)


def poisson_ratio(bulk: float, shear: float) -> float:
    """Poisson ratio (3 K - 2 G) / (2 (3 K + G)) of an isotropic solid."""
    return (3.0 * bulk - 2.0 * shear) / (2.0 * (3.0 * bulk + shear))


def isotropic_moduli(stiffness: NDArray[np.float64]) -> Moduli:
    """Voigt, Reuss and Hill averages.

    Args:
        stiffness: (6, 6), GPa.

    Raises:
        BadElasticity: The crystal is mechanically unstable: the stiffness is not positive definite.
    """
    if not np.isfinite(stiffness).all():
        raise BadElasticity("an elastic constant is not a finite number: the potential fails under strain")
    softest = float(np.linalg.eigvalsh(stiffness)[0])
    if softest <= 0:
        raise BadElasticity(
            f"mechanically unstable: a strain lowers the energy (softest elastic eigenvalue {softest:.1f} GPa)"
        )
    s = np.linalg.inv(stiffness)
    c = stiffness
    return Moduli(
        bulk_voigt=float(c[:3, :3].sum() / 9.0),
        bulk_reuss=float(1.0 / s[:3, :3].sum()),
        shear_voigt=float((np.trace(c[:3, :3]) - (c[0, 1] + c[0, 2] + c[1, 2]) + 3.0 * np.trace(c[3:, 3:])) / 15.0),
        shear_reuss=float(
            15.0 / (4.0 * np.trace(s[:3, :3]) - 4.0 * (s[0, 1] + s[0, 2] + s[1, 2]) + 3.0 * np.trace(s[3:, 3:]))
        ),
    )
