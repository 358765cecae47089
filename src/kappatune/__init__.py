"""Lattice thermal conductivity of crystals, fast, honestly, and from very little data.

>>> import kappatune
>>> kappatune.predict("my_crystal.cif")[0].kappa_w_mk
>>> model = kappatune.KappaModel.load("accurate")
>>> model.explain("my_crystal.cif").to_pandas()
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kappatune.agl_workflow import AglResult, AglSettings, agl
    from kappatune.errors import UserError
    from kappatune.model.explanation import FactorRow
    from kappatune.model.kappa_model import KappaModel, predict
    from kappatune.model.prediction import Prediction
    from kappatune.results import Results
    from kappatune.screening import RankedCrystal, ScanResult, Suggestion, rank, report, screen, suggest
    from kappatune.structures import Crystal, LabelledCrystal, LabelledTable, Rejection, read_crystals, read_table
    from kappatune.training import train
    from kappatune.verification import Verification, VerifySettings, verify

__version__ = version("kappatune")

_MODULE_OF = {
    "AglResult": "agl_workflow",
    "AglSettings": "agl_workflow",
    "Crystal": "structures",
    "FactorRow": "model.explanation",
    "KappaModel": "model.kappa_model",
    "LabelledCrystal": "structures",
    "LabelledTable": "structures",
    "Prediction": "model.prediction",
    "RankedCrystal": "screening",
    "Rejection": "structures",
    "Results": "results",
    "ScanResult": "screening",
    "Suggestion": "screening",
    "UserError": "errors",
    "Verification": "verification",
    "VerifySettings": "verification",
    "agl": "agl_workflow",
    "predict": "model.kappa_model",
    "rank": "screening",
    "read_crystals": "structures",
    "read_table": "structures",
    "report": "screening",
    "screen": "screening",
    "suggest": "screening",
    "train": "training",
    "verify": "verification",
}
"""Where each public name lives. No package has the name of a verb: importing it would overwrite the verb."""

__all__ = [
    "AglResult",
    "AglSettings",
    "Crystal",
    "FactorRow",
    "KappaModel",
    "LabelledCrystal",
    "LabelledTable",
    "Prediction",
    "RankedCrystal",
    "Rejection",
    "Results",
    "ScanResult",
    "Suggestion",
    "UserError",
    "Verification",
    "VerifySettings",
    "__version__",
    "agl",
    "predict",
    "rank",
    "read_crystals",
    "read_table",
    "report",
    "screen",
    "suggest",
    "train",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Import on first use, so that `import kappatune` stays fast."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'kappatune' has no attribute '{name}'")
    value = getattr(import_module(f"kappatune.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
