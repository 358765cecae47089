"""Potentials beside each other on the same crystals: which one should `verify` use?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from studies.phonons.calibration_draw import NEQUIX
from studies.phonons.calibration_fit import SMALLEST, Compared, judge, mean_abs_log10
from studies.phonons.calibration_values import PhononValue
from studies.transfer.metrics import compare

DEFAULT = NEQUIX
"""What `verify` uses where it has the weights."""


def compare_potentials(
    values: Sequence[PhononValue], points_of: Callable[[Sequence[PhononValue]], Compared]
) -> dict[str, Any]:
    """Errors at `quick` on the crystals that have a value by every potential that was asked for enough of them.

    Args:
        values: Phonon values, coherences included.
        points_of: Puts DFT values beside them, in their order.

    Returns:
        How many crystals all potentials were asked for, how many have a value by all of them, and under `potentials`
        by name: outcomes of those asked for, errors of those with a value, each judged without its formula.
    """
    quick = sorted((value for value in values if value.quality == "quick"), key=lambda value: value.reference)
    by_name = {name: [v for v in quick if v.potential == name] for name in sorted({v.potential for v in quick})}
    enough = {name: own for name, own in by_name.items() if sum(v.kappa_w_mk is not None for v in own) >= SMALLEST}
    asked = set.intersection(*({value.reference for value in own} for own in enough.values()))
    answered = {name: {v.reference for v in own if v.kappa_w_mk is not None} for name, own in enough.items()}
    common = asked.intersection(*answered.values())
    points = {name: points_of([value for value in own if value.reference in common]) for name, own in enough.items()}
    size = {name: np.abs(judge(own).remains) / np.log(10) for name, own in points.items()}
    potentials = {
        name: {
            "n_answered": len(asked & answered[name]),
            "n_imaginary": sum(v.outcome == "imaginary modes" for v in enough[name] if v.reference in asked),
            "mean_abs_log10": mean_abs_log10(own.error),
            "bias_log10": float(-own.error.mean() / np.log(10)),
            "mean_abs_log10_without_bias": float(size[name].mean()),
            "spearman": float(spearmanr(own.ln_kappa, own.ln_dft).statistic),
            "gain_by_default": compare(size[name], size[DEFAULT], own.formulas).model_dump(mode="json"),
        }
        for name, own in points.items()
    }
    return {"default": DEFAULT, "n_asked": len(asked), "n": len(common), "potentials": potentials}
