"""What the verification of a crystal will cost, estimated before it begins."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from time import perf_counter

from kappatune.calculations.symmetry import FIRST_CUBIC_GROUP
from kappatune.potentials import Potential
from kappatune.verification.mesh import meshes
from kappatune.verification.outcomes import TooLarge
from kappatune.verification.phono3py_time import Phono3pyWork, n_threads
from kappatune.verification.prepare import PreparedCrystal
from kappatune.verification.settings import VerifySettings
from kappatune.verification.snapshots import fit_cost

RELAXATION_CALLS = {"cubic": 59, "other": 128}
"""Evaluations of the primitive cell that take as long as relaxation and AGL together, in the median of cubic and of
other crystals (`studies.phonons.cost_estimates`)."""

_BASE_GB = 0.6
_GB = 1e9


@dataclass(frozen=True)
class Cost:
    """The cost of one crystal.

    Attributes:
        n_forces: Force calculations in all.
        n_atoms: Atoms of the supercell for third order.
        n_harmonic_atoms: Atoms of the supercell for second order.
        seconds_per_force: One force calculation of the supercell for third order, s: one of the harmonic supercell is
            measured, and scaled by the number of atoms.
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
    work = Phono3pyWork.of(prepared, settings)
    fit_seconds, fit_bytes = fit_cost(phonons) if prepared.third_order == "snapshots" else (0.0, 0.0)
    seconds = (
        relaxation_calls(prepared.cell.space_group) * primitive_seconds
        + len(single_cells) * harmonic_seconds
        + (prepared.n_forces - len(single_cells)) * seconds_per_force
        + work.setup_seconds
        + work.transport_seconds / n_threads()
        + fit_seconds
    )
    _, mesh = islice(meshes(phonons, settings.mesh_length), 2)
    n_bands, n_triplets = 3 * len(phonons.primitive), mesh.n_points / 2
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


def relaxation_calls(space_group: int) -> int:
    """Evaluations of the primitive cell that take as long as relaxation and AGL together.

    Args:
        space_group: International number. A cubic cell has only its size to find, and relaxes in fewer steps.
    """
    return RELAXATION_CALLS["cubic" if space_group >= FIRST_CUBIC_GROUP else "other"]


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
