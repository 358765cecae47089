"""Other potentials beside the default one, on the same crystals: which one should `verify` use?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from studies.phonons.calibration_draw import NEQUIX
from studies.phonons.calibration_fit import Compared, judge, mean_abs_log10
from studies.phonons.calibration_values import PhononValue
from studies.transfer.metrics import compare

DEFAULT = NEQUIX
"""What `verify` uses where it has the weights."""

FEWEST = 5
"""Crystals with a value by both potentials below which they are not compared."""

Values = dict[str, PhononValue]
"""By table and crystal."""


def compare_potentials(
    values: Sequence[PhononValue], points_of: Callable[[Sequence[PhononValue]], Compared]
) -> dict[str, Any]:
    """Each other potential beside the default one at `quick`, on the crystals that both were asked for.

    Args:
        values: Phonon values, coherences included.
        points_of: Puts DFT values beside them, in their order.

    Returns:
        By name of the other potential: how many crystals both were asked for and how many have a value by both, the
        outcomes and errors of `default` and `other`, and how much smaller the error of the default is. Errors are of
        the crystals with a value by both, each judged without its formula.
    """
    by_name: dict[str, Values] = {}
    for value in values:
        if value.quality == "quick":
            by_name.setdefault(value.potential, {})[value.reference] = value
    default = by_name.pop(DEFAULT)
    found = {name: _compared(default, other, points_of) for name, other in sorted(by_name.items())}
    return {name: one for name, one in found.items() if one["n"] >= FEWEST}


def _compared(default: Values, other: Values, points_of: Callable[[Sequence[PhononValue]], Compared]) -> dict[str, Any]:
    asked = sorted(default.keys() & other.keys())
    common = [name for name in asked if default[name].kappa_w_mk and other[name].kappa_w_mk]
    result: dict[str, Any] = {"n_asked": len(asked), "n": len(common)}
    if len(common) < FEWEST:
        return result
    sizes = []
    for side, own in (("default", default), ("other", other)):
        points = points_of([own[name] for name in common])
        sizes.append(np.abs(judge(points).remains) / np.log(10))
        result[side] = {
            "n_answered": sum(own[name].kappa_w_mk is not None for name in asked),
            "n_imaginary": sum(own[name].outcome == "imaginary modes" for name in asked),
            "mean_abs_log10": mean_abs_log10(points.error),
            "bias_log10": float(-points.error.mean() / np.log(10)),
            "mean_abs_log10_without_bias": float(sizes[-1].mean()),
        }
    of_default, of_other = sizes
    return result | {"gain_by_default": compare(of_other, of_default, points.formulas).model_dump(mode="json")}
