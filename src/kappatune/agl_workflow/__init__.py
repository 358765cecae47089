"""AGL for any crystals: the Debye-Grüneisen model with energies of an interatomic potential."""

from kappatune.agl_workflow.batch import agl, iter_agl
from kappatune.calculations.agl_result import CURVES, AglResult
from kappatune.calculations.agl_settings import AglSettings

__all__ = ["CURVES", "AglResult", "AglSettings", "agl", "iter_agl"]
