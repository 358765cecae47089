"""Phonon Boltzmann transport with a machine-learned potential, and what it says of a prediction."""

from kappatune.verification.batch import VerifierSpec, iter_verifications
from kappatune.verification.row import Verification
from kappatune.verification.settings import VerifySettings
from kappatune.verification.verifier import Verifier

__all__ = ["Verification", "Verifier", "VerifierSpec", "VerifySettings", "iter_verifications"]
