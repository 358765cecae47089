"""Verification: kappa from phonons with a machine-learned potential, and what it says about a prediction."""

from kappatune.verification.api import CostEstimate, estimate_cost, verify
from kappatune.verification.batch import iter_verifications
from kappatune.verification.row import Verification
from kappatune.verification.settings import VerifySettings
from kappatune.verification.spec import VerifierSpec
from kappatune.verification.verifier import Verifier

__all__ = [
    "CostEstimate",
    "Verification",
    "Verifier",
    "VerifierSpec",
    "VerifySettings",
    "estimate_cost",
    "iter_verifications",
    "verify",
]
