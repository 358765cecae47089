"""What can come of a verification, by name. Whatever has no value of kappa has one of these and a reason."""

from __future__ import annotations

from typing import Literal

from kappatune.calculations.relaxation import NotConverged
from kappatune.errors import UserError
from kappatune.potentials.base import EvaluationError, UnknownElement, UnphysicalResult
from kappatune.structures import BadCrystal

Outcome = Literal[
    "answered",
    "unreadable",
    "unsupported element",
    "force explosion",
    "potential failed",
    "not relaxed",
    "broken symmetry",
    "imaginary modes",
    "too large",
    "mesh not converged",
    "failed",
]


class Unverified(UserError):
    """Why a crystal has no kappa.

    Attributes:
        outcome: Its name.
    """

    outcome: Outcome = "failed"


class BrokenSymmetry(Unverified):
    """The relaxed crystal has fewer symmetry operations than the one that was given."""

    outcome = "broken symmetry"


class ImaginaryModes(Unverified):
    """The crystal is no minimum of the potential."""

    outcome = "imaginary modes"


class TooLarge(Unverified):
    """More force calculations than the settings allow."""

    outcome = "too large"


class MeshNotConverged(Unverified):
    """kappa still changes with the mesh."""

    outcome = "mesh not converged"


def outcome_of(error: Exception) -> Outcome:
    """The name of what an error means."""
    if isinstance(error, Unverified):
        return error.outcome
    named: tuple[tuple[type[Exception], Outcome], ...] = (
        (UnknownElement, "unsupported element"),
        (UnphysicalResult, "force explosion"),
        (EvaluationError, "potential failed"),
        (NotConverged, "not relaxed"),
        (BadCrystal, "unreadable"),
    )
    return next((outcome for kind, outcome in named if isinstance(error, kind)), "failed")
