"""AGL for any crystal: the Debye-Grüneisen workflow with an interatomic potential."""

from kappatune.agl_workflow.batch import answer_all
from kappatune.agl_workflow.workflow import AglAnswer, AglSettings, agl

__all__ = ["AglAnswer", "AglSettings", "agl", "answer_all"]
