"""Elastic constants of a relaxed crystal from stresses, with the inner displacements that symmetry allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import spglib
from ase.units import GPa
from numpy.typing import NDArray

from kappatune.physics.elastic import (
    BadElasticity,
    fit_stiffness,
    invariant_basis,
    strain_patterns,
    strain_tensor,
    stress_rotation,
)
from kappatune.potentials.base import Evaluation, Potential
from kappatune.structures import BadCrystal

if TYPE_CHECKING:
    from ase import Atoms

_SAME = 1e-6


@dataclass(frozen=True)
class Symmetry:
    """Space group operations of a cell, in Cartesian axes.

    Attributes:
        rotations: (n, 3, 3).
        images: (n, n_atoms): where each operation takes each atom.
    """

    rotations: NDArray[np.float64]
    images: NDArray[np.int64]

    @classmethod
    def of(cls, atoms: Atoms, symprec: float) -> Symmetry:
        """Find the operations.

        Args:
            atoms: Any periodic cell.
            symprec: Distance within which symmetry holds, Å.

        Raises:
            BadCrystal: No symmetry can be found.
        """
        lattice, frac = atoms.cell.array, atoms.get_scaled_positions()
        found = spglib.get_symmetry((lattice, frac, atoms.numbers), symprec=symprec)
        if found is None:
            raise BadCrystal("no symmetry can be found, not even the identity: check for overlapping atoms")
        to_cartesian = lattice.T
        rotations = to_cartesian @ found["rotations"] @ np.linalg.inv(to_cartesian)
        images = np.empty((len(rotations), len(atoms)), dtype=np.int64)
        for k, (rotation, shift) in enumerate(zip(found["rotations"], found["translations"], strict=True)):
            apart = (frac @ rotation.T + shift)[:, None] - frac[None]
            apart = (apart - np.round(apart)) @ lattice
            far = np.einsum("ijk,ijk->ij", apart, apart) + 1e6 * (atoms.numbers[:, None] != atoms.numbers[None])
            images[k] = far.argmin(axis=1)
        return cls(rotations, images)

    def turn(self, k: int, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """What operation k makes of (n_atoms, 3) vectors that sit on the atoms."""
        turned = np.empty_like(vectors)
        turned[self.images[k]] = vectors @ self.rotations[k].T
        return turned

    def keeping(self, tensor: NDArray[np.float64]) -> NDArray[np.int64]:
        """Operations that leave a symmetric (3, 3) tensor as it is."""
        turned = self.rotations @ tensor @ self.rotations.transpose(0, 2, 1)
        return np.flatnonzero(np.abs(turned - tensor).max(axis=(1, 2)) < _SAME * np.abs(tensor).max())

    def reversing(self, tensor: NDArray[np.float64], vectors: NDArray[np.float64]) -> int | None:
        """An operation that turns both a symmetric tensor and vectors on the atoms into their negatives, if any."""
        turned = self.rotations @ tensor @ self.rotations.transpose(0, 2, 1)
        for k in np.flatnonzero(np.abs(turned + tensor).max(axis=(1, 2)) <= _SAME * np.abs(tensor).max()):
            if np.abs(self.turn(int(k), vectors) + vectors).max() < 1e-4:
                return int(k)
        return None

    def free_displacements(self, operations: NDArray[np.int64]) -> NDArray[np.float64]:
        """Displacements that some of the operations leave as they are, rigid shifts left out.

        Returns:
            (d, n_atoms, 3), orthonormal; d = 0 where symmetry fixes every atom.
        """
        n_atoms = self.images.shape[1]
        projector = np.zeros((n_atoms, 3, n_atoms, 3))
        for k in operations:
            for atom, image in enumerate(self.images[k]):
                projector[image, :, atom, :] += self.rotations[k] / len(operations)
        projector -= projector.mean(axis=0, keepdims=True)
        values, vectors = np.linalg.eigh(projector.reshape(3 * n_atoms, 3 * n_atoms))
        free: NDArray[np.float64] = vectors[:, values > 0.5].T.reshape(-1, n_atoms, 3)
        return free


@dataclass(frozen=True)
class _Probe:
    """One central difference: a strain or a displacement, and the operation that reverses it, if any."""

    plus: Atoms
    minus: Atoms | None
    reversal: int | None
    step: float


@dataclass(frozen=True)
class _Slope:
    """Derivatives by one probe: forces (n_atoms, 3), eV/Å per unit; stress (6,), eV/Å^3 per unit."""

    forces: NDArray[np.float64]
    stress: NDArray[np.float64]


def elastic_constants(
    atoms: Atoms, potential: Potential, *, strain: float, displacement: float, symprec: float
) -> tuple[NDArray[np.float64], bool]:
    """Stiffness of a relaxed crystal, ions relaxed.

    Only as many strains are made as symmetry needs (two for a cubic crystal), by central differences of the stress.
    To each belong the displacements that the symmetry of the strained crystal leaves free (none in rocksalt). The
    ions' relaxation is then linear algebra, exact to first order: with H the second derivative of the energy by the
    free displacements, g the forces per unit strain and s the stress per displacement, it adds s H^-1 g. Reversed
    strains that symmetry makes equivalent are not computed.

    Args:
        atoms: Relaxed cell.
        potential: The potential.
        strain: Size of the strains.
        displacement: Length of the displacements, Å.
        symprec: Distance within which symmetry holds, Å.

    Returns:
        (6, 6) stiffness in the Cartesian axes of the cell, GPa; and whether symmetry fixes every atom under every
        strain.

    Raises:
        BadElasticity: A displacement of the ions lowers the energy.
        EvaluationError: The potential fails or explodes.
    """
    symmetry = Symmetry.of(atoms, symprec)
    basis = invariant_basis(symmetry.rotations)
    patterns = strain_patterns(basis)
    tensors = [strain_tensor(np.eye(6)[p]) for p in patterns]
    keeping = [symmetry.keeping(tensor) for tensor in tensors]
    free = {ops.tobytes(): symmetry.free_displacements(ops) for ops in keeping}

    strained = [_strain_probe(atoms, symmetry, tensor, strain) for tensor in tensors]
    moved = {key: [_move_probe(atoms, symmetry, u, displacement) for u in vectors] for key, vectors in free.items()}
    slopes = iter(_slopes([*strained, *(probe for probes in moved.values() for probe in probes)], symmetry, potential))
    by_strain = [next(slopes) for _ in strained]
    by_move = {key: [next(slopes) for _ in probes] for key, probes in moved.items()}

    responses = []
    for slope, operations in zip(by_strain, keeping, strict=True):
        key = operations.tobytes()
        responses.append(slope.stress + _ions_part(slope, free[key], by_move[key]))
    ions_fixed = not any(len(vectors) for vectors in free.values())
    return fit_stiffness(basis, patterns, np.array(responses) / GPa), ions_fixed


def _ions_part(slope: _Slope, free: NDArray[np.float64], moves: list[_Slope]) -> NDArray[np.float64]:
    """Stress per unit strain that the relaxation of the ions adds, (6,) eV/Å^3."""
    if not len(free):
        return np.zeros(6)
    hessian = -np.einsum("iax,jax->ij", free, np.array([move.forces for move in moves]))
    hessian = 0.5 * (hessian + hessian.T)
    softest = float(np.linalg.eigvalsh(hessian)[0])
    if softest <= 0:
        raise BadElasticity(
            f"mechanically unstable: a displacement of the ions lowers the energy (softest spring {softest:.3f} eV/Å^2)"
        )
    lengths = np.linalg.solve(hessian, np.einsum("iax,ax->i", free, slope.forces))
    return np.asarray(lengths @ np.array([move.stress for move in moves]))


def _strain_probe(atoms: Atoms, symmetry: Symmetry, tensor: NDArray[np.float64], size: float) -> _Probe:
    reversal = symmetry.reversing(tensor, np.zeros((len(atoms), 3)))
    plus, minus = (_strained(atoms, sign * size * tensor) for sign in (1.0, -1.0))
    return _Probe(plus, minus if reversal is None else None, reversal, size)


def _strained(atoms: Atoms, tensor: NDArray[np.float64]) -> Atoms:
    strained = atoms.copy()
    strained.set_cell(atoms.cell.array @ (np.eye(3) + tensor), scale_atoms=True)
    return strained


def _move_probe(atoms: Atoms, symmetry: Symmetry, vectors: NDArray[np.float64], size: float) -> _Probe:
    reversal = symmetry.reversing(np.zeros((3, 3)), vectors)
    plus, minus = (_moved(atoms, sign * size * vectors) for sign in (1.0, -1.0))
    return _Probe(plus, minus if reversal is None else None, reversal, size)


def _moved(atoms: Atoms, vectors: NDArray[np.float64]) -> Atoms:
    moved = atoms.copy()
    moved.positions += vectors
    return moved


def _slopes(probes: list[_Probe], symmetry: Symmetry, potential: Potential) -> list[_Slope]:
    """Central differences of all probes, the cells evaluated together."""
    answers = iter(potential.evaluate([cell for p in probes for cell in (p.plus, p.minus) if cell is not None]))
    slopes = []
    for probe in probes:
        plus = next(answers)
        minus = next(answers) if probe.reversal is None else _mirrored(plus, symmetry, probe.reversal)
        width = 2.0 * probe.step
        slopes.append(_Slope((plus.forces - minus.forces) / width, (plus.stress - minus.stress) / width))
    return slopes


def _mirrored(response: Evaluation, symmetry: Symmetry, k: int) -> Evaluation:
    turned = stress_rotation(symmetry.rotations[k]) @ response.stress
    return Evaluation(response.energy, symmetry.turn(k, response.forces), turned)
