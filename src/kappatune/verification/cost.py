"""What the verification of a crystal will cost, estimated before it begins."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from kappatune.potentials import Potential
from kappatune.verification.outcomes import TooLarge
from kappatune.verification.prepare import PreparedCrystal
from kappatune.verification.settings import VerifySettings
from kappatune.verification.snapshots import fit_cost
from kappatune.verification.transport import COARSE_MESH

RELAXATION_CALLS = 150
"""Approximate number of evaluations of the primitive cell in relaxation and AGL together."""

SECONDS_PER_TERM = 1.9e-9
"""Wall time of phono3py on one thread per term of its sums over supercell atoms and over bands, s. Measured on Si
(64 atoms); another machine may differ by a factor."""

_BASE_GB = 0.6
_GB = 1e9


@dataclass(frozen=True)
class Cost:
    """The cost of one crystal.

    Attributes:
        n_forces: Force calculations in all.
        n_atoms: Atoms of the supercell for third order.
        n_harmonic_atoms: Atoms of the supercell for second order.
        seconds_per_force: One force calculation of the supercell for third order, measured, s.
        seconds: The whole verification, s.
        memory_gb: Peak memory, 10^9 bytes.
        instead_of_pairs: Force calculations that displaced pairs would take, where snapshots are used in their place;
            None where pairs are.
    """

    n_forces: int
    n_atoms: int
    n_harmonic_atoms: int
    seconds_per_force: float
    seconds: float
    memory_gb: float
    instead_of_pairs: int | None = None

    def __str__(self) -> str:
        """In one line."""
        instead = (
            "" if self.instead_of_pairs is None else f" (snapshots, in place of {self.instead_of_pairs} for pairs)"
        )
        return (
            f"{self.n_forces} force calculations{instead} of {self.n_atoms} atoms "
            f"({self.seconds_per_force:.2g} s each, measured), about {format_duration(self.seconds)} and "
            f"{self.memory_gb:.1f} GB"
        )


def format_duration(seconds: float) -> str:
    """A time in seconds, minutes or hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def measure_cost(prepared: PreparedCrystal, potential: Potential, settings: VerifySettings) -> Cost:
    """Time one force calculation and extrapolate.

    Args:
        prepared: The crystal before its relaxation, which may change the number of displacements.
        potential: Evaluated three times: the primitive cell twice, then the harmonic supercell.
        settings: Mesh, solution and temperatures.

    Raises:
        EvaluationError: The potential fails.
    """
    phonons, single_cells = prepared.phono3py, prepared.single_cells
    primitive = prepared.cell.primitive
    potential.evaluate([primitive])
    primitive_seconds = _seconds(lambda: potential.evaluate([primitive]))
    harmonic_seconds = _seconds(lambda: potential.evaluate([single_cells[0]]))
    n_atoms, n_harmonic_atoms = len(phonons.supercell), len(phonons.phonon_supercell)
    seconds_per_force = harmonic_seconds * n_atoms / n_harmonic_atoms
    n_terms, n_triplets = _transport_terms(prepared, settings)
    fit_seconds, fit_bytes = fit_cost(phonons) if prepared.third_order == "snapshots" else (0.0, 0.0)
    seconds = (
        RELAXATION_CALLS * primitive_seconds
        + len(single_cells) * harmonic_seconds
        + (prepared.n_forces - len(single_cells)) * seconds_per_force
        + n_terms * SECONDS_PER_TERM
        + fit_seconds
    )
    n_bands = 3 * len(phonons.primitive)
    third_order_bytes = len(phonons.primitive) * n_atoms**2 * 27 * 8
    collision_bytes = (
        len(settings.temperatures_k) * 8 * (n_triplets / 20 * n_bands) ** 2 if settings.solution == "direct" else 0
    )
    working_bytes = 6 * third_order_bytes + 3 * n_triplets * n_bands**3 * 8 + collision_bytes
    memory_gb = _BASE_GB + max(working_bytes, fit_bytes) / _GB + 0.004 * n_harmonic_atoms
    return Cost(
        prepared.n_forces,
        n_atoms,
        n_harmonic_atoms,
        seconds_per_force,
        seconds,
        memory_gb,
        None if prepared.third_order == "pairs" else prepared.n_forces_of_pairs,
    )


def check_memory(cost: Cost) -> None:
    """Refuse what does not fit into the memory of this machine.

    Raises:
        TooLarge: It needs more memory than there is.
    """
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GB
    if cost.memory_gb > memory_gb:
        raise TooLarge(
            f"{cost.n_atoms} atoms need about {cost.memory_gb:.0f} GB of memory and this machine has {memory_gb:.0f}: "
            "use a lower quality"
        )


def _seconds(call: Callable[[], object]) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


def _transport_terms(prepared: PreparedCrystal, settings: VerifySettings) -> tuple[float, float]:
    """Terms of phono3py's sums on the two meshes that are compared, and triplets of one q-point on the finer one."""
    phonons = prepared.phono3py
    reciprocal = np.linalg.norm(np.linalg.inv(phonons.primitive.cell), axis=0)
    n_atoms, n_primitive = len(phonons.supercell), len(phonons.primitive)
    rotations = phonons.primitive_symmetry.pointgroup_operations
    inversion = any((np.asarray(rotation) == -np.eye(3)).all() for rotation in rotations)
    n_operations = len(rotations) * (1 if inversion else 2)  # a phonon and its time reverse are equivalent
    terms_per_triplet = 27 * n_primitive * n_atoms**2 + 3 * (3 * n_primitive) ** 4
    n_terms = n_triplets = 0.0
    for share in (COARSE_MESH, 1.0):
        n_points = float(np.prod(np.maximum(1, np.rint(share * settings.mesh_length * reciprocal))))
        n_irreducible = max(1.0, n_points / n_operations) * 2.0
        n_triplets = n_points / 2
        n_terms += n_irreducible * n_triplets * terms_per_triplet
    return n_terms, n_triplets
