"""The named outcomes of a verification. A crystal without a value of kappa has one of these and a reason."""

from __future__ import annotations

from typing import Literal

from kappatune.calculations.relaxation import NotConverged
from kappatune.errors import UserError
from kappatune.potentials import EvaluationError, UnknownElement, UnphysicalResult
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
    "unphysical kappa",
    "failed",
]


class VerificationError(UserError):
    """Why a crystal has no kappa.

    Attributes:
        outcome: The name of the outcome.
    """

    outcome: Outcome = "failed"


class BrokenSymmetry(VerificationError):
    """The relaxed crystal has fewer symmetry operations than the crystal as given."""

    outcome = "broken symmetry"


class ImaginaryModes(VerificationError):
    """The crystal is not a minimum of the potential."""

    outcome = "imaginary modes"


class TooLarge(VerificationError):
    """More force calculations than the settings allow, or more memory than there is."""

    outcome = "too large"


class MeshNotConverged(VerificationError):
    """kappa still changes with the mesh."""

    outcome = "mesh not converged"


class UnphysicalKappa(VerificationError):
    """kappa is none that a solid can have."""

    outcome = "unphysical kappa"


def outcome_of(error: Exception) -> Outcome:
    """The outcome that an error stands for."""
    if isinstance(error, VerificationError):
        return error.outcome
    outcomes: tuple[tuple[type[Exception], Outcome], ...] = (
        (UnknownElement, "unsupported element"),
        (UnphysicalResult, "force explosion"),
        (EvaluationError, "potential failed"),
        (NotConverged, "not relaxed"),
        (BadCrystal, "unreadable"),
    )
    return next((outcome for kind, outcome in outcomes if isinstance(error, kind)), "failed")
