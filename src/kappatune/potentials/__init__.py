"""Interatomic potentials, by name or as ASE calculators.

>>> from kappatune.potentials import load_potential
>>> potential = load_potential("chgnet")
"""

from kappatune.potentials.base import (
    BadPotential,
    Evaluation,
    EvaluationError,
    Potential,
    UnknownElement,
    UnphysicalResult,
)
from kappatune.potentials.registry import BEST, as_potential, best_available, load_potential

__all__ = [
    "BEST",
    "BadPotential",
    "Evaluation",
    "EvaluationError",
    "Potential",
    "UnknownElement",
    "UnphysicalResult",
    "as_potential",
    "best_available",
    "load_potential",
]
