"""What many paired tests show together: p corrected for their number, and the gain each could have shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from studies.transfer.comparisons import Comparison
from studies.transfer.metrics import PairedTest

LEVEL = 0.05
"""Chance that even one of the differences called shown is none."""

POWER = 0.8

Shown = Literal["lower error", "higher error", "no difference shown"]


class Finding(NamedTuple):
    """What a comparison shows among all that were made.

    Attributes:
        comparison: The comparison.
        corrected: Its p by Holm's method.
        shown: Whether the second model's error is lower or higher, or neither is shown.
        detectable: Gain that this test, alone and at a level of 5 %, shows in four of five cases.
    """

    comparison: Comparison
    corrected: float
    shown: Shown
    detectable: float


def findings(comparisons: Sequence[Comparison]) -> list[Finding]:
    """What each of all comparisons shows, in their order.

    A difference is shown if its corrected p is below 5 % and the interval of its gain does not contain zero.
    """
    corrected = holm([c.paired.p_value for c in comparisons])
    return [
        Finding(c, float(p), _shown(c.paired, float(p)), detectable_gain(c.paired))
        for c, p in zip(comparisons, corrected, strict=True)
    ]


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Values of p corrected for the number of tests: Holm, Scand. J. Stat. 6, 65 (1979).

    Whatever the tests have in common, the chance that one or more of the hypotheses rejected below a level is true is
    at most that level.

    Args:
        p_values: (n,) p of all tests that were made.

    Returns:
        (n,) corrected p, at most 1.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1.0)
    return corrected


def detectable_gain(paired: PairedTest, level: float = LEVEL) -> float:
    """Smallest true gain that a two-sided test at a level shows with a power of 80 %.

    It is (z(1 - level/2) + z(0.8)) standard errors, the standard error being that of the bootstrap interval.
    """
    low, high = paired.gain_interval
    standard_error = (high - low) / (2 * norm.ppf(0.975))
    return float((norm.ppf(1 - level / 2) + norm.ppf(POWER)) * standard_error)


def strictest_ratio(n_tests: int) -> float:
    """How many times larger a detectable gain is at the strictest level of Holm's method, that of the smallest p."""
    strictest, alone = (norm.ppf(1 - level / 2) + norm.ppf(POWER) for level in (LEVEL / n_tests, LEVEL))
    return float(strictest / alone)


def _shown(paired: PairedTest, corrected: float) -> Shown:
    low, high = paired.gain_interval
    if corrected >= LEVEL or low <= 0 <= high:
        return "no difference shown"
    return "lower error" if paired.gain > 0 else "higher error"
