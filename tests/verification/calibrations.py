"""A calibration with known numbers: DFT is 1.5 times the value, give or take a factor of 3."""

from __future__ import annotations

from math import log
from typing import Any

from kappatune.verification.calibration import PhononCalibration


def calibrated(**changes: Any) -> PhononCalibration:
    return PhononCalibration(
        **{
            "potential": "EMT",
            "quality": "quick",
            "coherences": True,
            "typical_coherences_w_mk": 0.0,
            "n_asked": 15,
            "n_imaginary": 2,
            "n": 12,
            "n_formulas": 12,
            "level": 0.9,
            "bias_ln": log(1.5),
            "slope": 0.0,
            "centre_ln": 1.0,
            "half_width_ln": log(3.0),
            "coverage": 0.9,
            "correlation": 0.1,
            "n_shared": 10,
            "best_factor": 1.645,
            "coverage_best": 0.9,
            **changes,
        }
    )
