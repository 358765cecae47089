"""Phonon Boltzmann transport with a machine-learned potential, and what it says of a prediction."""

from kappatune.verify.answer import Verifier
from kappatune.verify.batch import Request, verify_all
from kappatune.verify.row import Verification
from kappatune.verify.settings import VerifySettings

__all__ = ["Request", "Verification", "Verifier", "VerifySettings", "verify_all"]
