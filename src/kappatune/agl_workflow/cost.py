"""What AGL of a crystal will cost, estimated before it begins."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np

from kappatune.calculations.agl_settings import AglSettings
from kappatune.calculations.symmetry import Symmetry, primitive_cell
from kappatune.physics.elastic import invariant_basis, strain_patterns, strain_tensor
from kappatune.potentials import Potential
from kappatune.structures import Crystal, check

RELAXATION_CALLS = 50
"""Evaluations of the primitive cell in its relaxation, roughly: a few where symmetry fixes all atoms, up to some
hundred in a soft crystal with many free coordinates."""


@dataclass(frozen=True)
class AglCost:
    """The cost of one crystal.

    Attributes:
        n_evaluations: About how often the primitive cell is evaluated.
        n_atoms: Its atoms.
        seconds_per_evaluation: Measured, s.
        seconds: AGL as a whole, s.
    """

    n_evaluations: int
    n_atoms: int
    seconds_per_evaluation: float
    seconds: float


def estimate_agl_cost(crystal: Crystal, potential: Potential, settings: AglSettings) -> AglCost:
    """Time one evaluation, and count how many there will be.

    Args:
        crystal: Any cell of the crystal.
        potential: Evaluated twice.
        settings: Volumes and tolerance of symmetry.

    Raises:
        BadCrystal: The crystal is not valid.
        EvaluationError: The potential does not know an element, fails or gives unphysical numbers.
    """
    atoms, _ = primitive_cell(check(crystal), settings.symprec)
    potential.check_elements(atoms.numbers)
    potential.evaluate([atoms])
    start = perf_counter()
    potential.evaluate([atoms])
    seconds = perf_counter() - start
    symmetry = Symmetry.of(atoms, settings.symprec)
    strains = [strain_tensor(np.eye(6)[p]) for p in strain_patterns(invariant_basis(symmetry.rotations))]
    kept = {operations.tobytes(): operations for operations in map(symmetry.operations_keeping, strains)}
    n_displacements = sum(len(symmetry.free_displacements(operations)) for operations in kept.values())
    n_elastic = 0 if settings.poisson == "network" or not isinstance(settings.poisson, str) else 2
    n = RELAXATION_CALLS + settings.n_volumes + n_elastic * (len(strains) + n_displacements)
    return AglCost(n, len(atoms), seconds, n * seconds)
