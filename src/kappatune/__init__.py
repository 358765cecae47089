"""Lattice thermal conductivity of crystals, fast, honestly, and from very little data.

>>> from kappatune import KappaModel
>>> rows = KappaModel.load().predict("my_crystal.cif")
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kappatune.model.kappa_model import KappaModel
    from kappatune.model.prediction import Prediction
    from kappatune.structures import Crystal, Rejection, read_crystals, read_table

__version__ = version("kappatune")

_HOME = {
    "KappaModel": "kappatune.model.kappa_model",
    "Prediction": "kappatune.model.prediction",
    "Crystal": "kappatune.structures",
    "Rejection": "kappatune.structures",
    "read_crystals": "kappatune.structures",
    "read_table": "kappatune.structures",
}

__all__ = ["Crystal", "KappaModel", "Prediction", "Rejection", "__version__", "read_crystals", "read_table"]


def __getattr__(name: str) -> Any:
    """Import on first use, so that `import kappatune` stays fast."""
    if name not in _HOME:
        raise AttributeError(f"module 'kappatune' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)
