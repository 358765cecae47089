"""Phonon Boltzmann transport with a machine-learned potential, and what it says of a prediction."""

from kappatune.verification.batch import Request, verify_all
from kappatune.verification.row import Verification
from kappatune.verification.settings import VerifySettings
from kappatune.verification.verifier import Verifier

__all__ = ["Request", "Verification", "Verifier", "VerifySettings", "verify_all"]
