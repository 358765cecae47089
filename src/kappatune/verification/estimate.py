"""What a verification will cost, said before it begins."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from kappatune.errors import UserError
from kappatune.potentials import Potential
from kappatune.processes import use_one_thread
from kappatune.structures import Crystal, Rejection
from kappatune.verification.cells import Standard, displaced, harmonic_cells, number_of_forces, standardise
from kappatune.verification.outcomes import TooLarge
from kappatune.verification.settings import VerifySettings

if TYPE_CHECKING:
    from phono3py import Phono3py

RELAXATION_CALLS = 150
"""Calls of the potential on the primitive cell that relaxation and AGL take together, about."""

SECONDS_PER_TERM = 1.9e-9
"""Wall time of phono3py on one thread per term of its sums over supercell atoms and over bands, s; an estimate from
Si (64 atoms) that other machines change by a factor."""

_BASE_GB = 0.6
_GB = 1e9


@dataclass(frozen=True)
class Cost:
    """The cost of one crystal.

    Attributes:
        n_forces: Force calculations in all.
        n_atoms: Atoms of the supercell for third order.
        n_harmonic_atoms: Atoms of the supercell for second order.
        seconds_per_force: One force calculation of that supercell, measured, s.
        seconds: All of it, s.
        memory_gb: Peak, 10^9 bytes.
    """

    n_forces: int
    n_atoms: int
    n_harmonic_atoms: int
    seconds_per_force: float
    seconds: float
    memory_gb: float

    def __str__(self) -> str:
        return (
            f"{self.n_forces} force calculations of {self.n_atoms} atoms ({self.seconds_per_force:.2g} s each, "
            f"measured), about {format_duration(self.seconds)} and {self.memory_gb:.1f} GB"
        )


def format_duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def estimate(standard: Standard, potential: Potential, settings: VerifySettings) -> Cost:
    """Count the displacements and time one force calculation.

    Args:
        standard: The crystal, not yet relaxed: relaxation can move the pair cutoff past a shell of neighbours.
        potential: Called twice, on the primitive cell and on a supercell.
        settings: How.

    Raises:
        TooLarge: There are too many displacements.
        EvaluationError: The potential fails.
    """
    phonons = displaced(standard, settings)
    potential.evaluate([standard.primitive])
    small = _timed(lambda: potential.evaluate([standard.primitive]))
    harmonic = harmonic_cells(phonons)
    large = _timed(lambda: potential.evaluate([harmonic[0]]))
    n_atoms, n_harmonic = len(phonons.supercell), len(phonons.phonon_supercell)
    each = large * n_atoms / n_harmonic
    n_forces = number_of_forces(phonons)
    terms, triplets = _terms(phonons, settings)
    seconds = RELAXATION_CALLS * small + len(harmonic) * large + (n_forces - len(harmonic)) * each
    bands = 3 * len(phonons.primitive)
    fc3 = len(phonons.primitive) * n_atoms**2 * 27 * 8
    collisions = (
        (len(settings.temperatures_k) * 8 * (triplets / 20 * bands) ** 2) if settings.solution == "direct" else 0
    )
    memory = _BASE_GB + (6 * fc3 + 3 * triplets * bands**3 * 8 + collisions) / _GB + 0.004 * n_harmonic
    return Cost(n_forces, n_atoms, n_harmonic, each, seconds + terms * SECONDS_PER_TERM, memory)


def estimates(
    entries: Iterable[Crystal | Rejection], potential: Potential, settings: VerifySettings
) -> Iterator[tuple[Crystal | Rejection, Cost | str]]:
    """The cost of many crystals, or why one cannot be computed."""
    use_one_thread()
    for entry in entries:
        try:
            if isinstance(entry, Rejection):
                yield entry, entry.reason
                continue
            potential.check_elements(entry.numbers)
            yield entry, estimate(standardise(entry, settings.symprec), potential, settings)
        except UserError as error:
            yield entry, str(error)


def check_memory(cost: Cost) -> None:
    """Refuse what this machine cannot hold.

    Raises:
        TooLarge: It would need more memory than there is.
    """
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GB
    if cost.memory_gb > there:
        raise TooLarge(
            f"about {cost.memory_gb:.0f} GB of memory for {cost.n_atoms} atoms, this machine has {there:.0f}: take a "
            "lower quality"
        )


def _timed(call: Callable[[], object]) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


def _terms(phonons: Phono3py, settings: VerifySettings) -> tuple[float, float]:
    """Terms of phono3py's sums on the two meshes that are compared, and triplets of one q-point on the finer."""
    reciprocal = np.linalg.norm(np.linalg.inv(phonons.primitive.cell), axis=0)
    n_atoms, n_primitive = len(phonons.supercell), len(phonons.primitive)
    rotations = phonons.primitive_symmetry.pointgroup_operations
    inversion = any((np.asarray(rotation) == -np.eye(3)).all() for rotation in rotations)
    operations = len(rotations) * (1 if inversion else 2)  # a phonon and its reverse are alike
    per_triplet = 27 * n_primitive * n_atoms**2 + 3 * (3 * n_primitive) ** 4
    terms = triplets = 0.0
    for share in (0.75, 1.0):
        points = float(np.prod(np.maximum(1, np.rint(share * settings.mesh_length * reciprocal))))
        independent = max(1.0, points / operations) * 2.0
        triplets = points / 2
        terms += independent * triplets * per_triplet
    return terms, triplets
