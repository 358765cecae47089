"""Elastic constants of a relaxed crystal from stresses, including the relaxation of the ions under strain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase.units import GPa
from numpy.typing import NDArray

from kappatune.calculations.symmetry import Symmetry
from kappatune.physics.elastic import (
    BadElasticity,
    Moduli,
    fit_stiffness,
    invariant_basis,
    isotropic_moduli,
    strain_patterns,
    strain_tensor,
    stress_rotation,
)
from kappatune.potentials import Evaluation, Potential

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True)
class ElasticConstants:
    """Elastic constants of a stable crystal, ions relaxed.

    Attributes:
        stiffness: (6, 6) in Voigt order and in the Cartesian axes of the cell, GPa.
        moduli: Its isotropic averages.
        ions_fixed: Whether symmetry fixes every atom under every strain, so that no ions had to be relaxed.
    """

    stiffness: NDArray[np.float64]
    moduli: Moduli
    ions_fixed: bool


@dataclass(frozen=True)
class _Difference:
    """The cells of a central difference by a strain or a displacement.

    Attributes:
        plus: The cell with the strain or displacement.
        minus: The cell with its opposite; None if symmetry makes it equivalent to `plus`.
        reversal: Index of the symmetry operation that does so; None if there is none.
        step: Size of the strain, or length of the displacement in Å.
    """

    plus: Atoms
    minus: Atoms | None
    reversal: int | None
    step: float


@dataclass(frozen=True)
class _Derivative:
    """Derivatives by a strain or a displacement: forces (n_atoms, 3), eV/Å per unit; stress (6,), eV/Å^3 per unit."""

    forces: NDArray[np.float64]
    stress: NDArray[np.float64]


def elastic_constants(
    atoms: Atoms, potential: Potential, *, strain: float, displacement: float, symprec: float
) -> ElasticConstants:
    """Elastic constants of a relaxed crystal.

    Only as many strains are applied as symmetry requires (two for a cubic crystal), by central differences of the
    stress. With each strain come the displacements that the symmetry of the strained crystal leaves free (none in
    rocksalt). The relaxation of the ions is then linear algebra, exact to first order: with H the second derivative
    of the energy by the free displacements, g the forces per unit strain and s the stress per displacement, it adds
    s H^-1 g. Opposite strains that symmetry makes equivalent are not computed.

    Args:
        atoms: Relaxed cell.
        potential: The potential.
        strain: Size of the strains.
        displacement: Length of the displacements, Å.
        symprec: Distance within which symmetry holds, Å.

    Raises:
        BadElasticity: The crystal is mechanically unstable: a strain or a displacement of the ions lowers the energy.
        EvaluationError: The potential fails or gives unphysical numbers.
    """
    symmetry = Symmetry.of(atoms, symprec)
    basis = invariant_basis(symmetry.rotations)
    patterns = strain_patterns(basis)
    tensors = [strain_tensor(np.eye(6)[p]) for p in patterns]
    operations = [symmetry.operations_keeping(tensor) for tensor in tensors]
    free = {kept.tobytes(): symmetry.free_displacements(kept) for kept in operations}

    strained = [_strain_difference(atoms, symmetry, tensor, strain) for tensor in tensors]
    displaced = {
        key: [_displacement_difference(atoms, symmetry, u, displacement) for u in vectors]
        for key, vectors in free.items()
    }
    differences = [*strained, *(difference for group in displaced.values() for difference in group)]
    derivatives = iter(_derivatives(differences, symmetry, potential))
    by_strain = [next(derivatives) for _ in strained]
    by_displacement = {key: [next(derivatives) for _ in group] for key, group in displaced.items()}

    stresses = []
    for derivative, kept in zip(by_strain, operations, strict=True):
        key = kept.tobytes()
        stresses.append(derivative.stress + _ion_relaxation(derivative, free[key], by_displacement[key]))
    stiffness = fit_stiffness(basis, patterns, np.array(stresses) / GPa)
    ions_fixed = not any(len(vectors) for vectors in free.values())
    return ElasticConstants(stiffness, isotropic_moduli(stiffness), ions_fixed)


def _ion_relaxation(
    by_strain: _Derivative, free: NDArray[np.float64], by_displacement: list[_Derivative]
) -> NDArray[np.float64]:
    """Stress per unit strain that the relaxation of the ions adds, (6,) eV/Å^3."""
    if not len(free):
        return np.zeros(6)
    hessian = -np.einsum("iax,jax->ij", free, np.array([derivative.forces for derivative in by_displacement]))
    hessian = 0.5 * (hessian + hessian.T)
    softest = float(np.linalg.eigvalsh(hessian)[0])
    if softest <= 0:
        raise BadElasticity(
            f"mechanically unstable: a displacement of the ions lowers the energy (softest spring {softest:.3f} eV/Å^2)"
        )
    lengths = np.linalg.solve(hessian, np.einsum("iax,ax->i", free, by_strain.forces))
    return np.asarray(lengths @ np.array([derivative.stress for derivative in by_displacement]))


def _strain_difference(atoms: Atoms, symmetry: Symmetry, tensor: NDArray[np.float64], size: float) -> _Difference:
    reversal = symmetry.operation_reversing(tensor, np.zeros((len(atoms), 3)))
    plus, minus = (_strained(atoms, sign * size * tensor) for sign in (1.0, -1.0))
    return _Difference(plus, minus if reversal is None else None, reversal, size)


def _strained(atoms: Atoms, tensor: NDArray[np.float64]) -> Atoms:
    strained = atoms.copy()
    strained.set_cell(atoms.cell.array @ (np.eye(3) + tensor), scale_atoms=True)
    return strained


def _displacement_difference(
    atoms: Atoms, symmetry: Symmetry, vectors: NDArray[np.float64], size: float
) -> _Difference:
    reversal = symmetry.operation_reversing(np.zeros((3, 3)), vectors)
    plus, minus = (_displaced(atoms, sign * size * vectors) for sign in (1.0, -1.0))
    return _Difference(plus, minus if reversal is None else None, reversal, size)


def _displaced(atoms: Atoms, vectors: NDArray[np.float64]) -> Atoms:
    displaced = atoms.copy()
    displaced.positions += vectors
    return displaced


def _derivatives(differences: list[_Difference], symmetry: Symmetry, potential: Potential) -> list[_Derivative]:
    """Central differences, all cells evaluated together."""
    cells = [cell for difference in differences for cell in (difference.plus, difference.minus) if cell is not None]
    evaluations = iter(potential.evaluate(cells))
    derivatives = []
    for difference in differences:
        plus = next(evaluations)
        reversal = difference.reversal
        minus = next(evaluations) if reversal is None else _transformed(plus, symmetry, reversal)
        width = 2.0 * difference.step
        derivatives.append(_Derivative((plus.forces - minus.forces) / width, (plus.stress - minus.stress) / width))
    return derivatives


def _transformed(evaluation: Evaluation, symmetry: Symmetry, k: int) -> Evaluation:
    stress = stress_rotation(symmetry.rotations[k]) @ evaluation.stress
    return Evaluation(evaluation.energy, symmetry.rotate(k, evaluation.forces), stress)
