"""AGL for any crystal: the Debye-Grüneisen workflow with an interatomic potential."""

from kappatune.agl_workflow.batch import iter_agl
from kappatune.agl_workflow.workflow import AglResult, AglSettings, agl

__all__ = ["AglResult", "AglSettings", "agl", "iter_agl"]
