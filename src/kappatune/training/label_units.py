"""Whether the values of a table are conductivities in W/(m K), judged by what a model expects of its crystals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEWEST_ROWS = 3
"""Rows below which nothing is said of a table as a whole, nor of a part of it."""

_WRONG_UNIT = math.log(30)
_SHIFTED = math.log(5)
_FEWEST_SHIFTED = 5
_PART = 0.1
_FEWEST_OTHER_QUANTITY = 10
_UNEXPLAINED = math.log(3)
_LARGEST_LOGARITHM = 10.0


@dataclass(frozen=True)
class Meaning:
    """What the numbers of a table may be.

    Attributes:
        what: For people, as `in mW/(m K)`.
        ln_kappa: ln of kappa in W/(m K), from (n,) positive numbers of the table.
    """

    what: str
    ln_kappa: Callable[[NDArray[np.float64]], NDArray[np.float64]]


def _unit(name: str, per_w_mk: float) -> Meaning:
    """A unit in which 1 W/(m K) is the number `per_w_mk`."""
    return Meaning(f"in {name}", lambda values: np.log(values / per_w_mk))


UNITS = (
    _unit("mW/(m K)", 1e3),
    _unit("µW/(cm K)", 1e4),
    _unit("erg/(s cm K)", 1e5),
    _unit("µW/(m K)", 1e6),
    _unit("W/(cm K)", 1e-2),
    _unit("cal/(s cm K)", 1 / 418.4),
    _unit("kW/(m K)", 1e-3),
)
OTHER_QUANTITIES = (
    Meaning("log10 of W/(m K)", lambda values: values * math.log(10)),
    Meaning("ln of W/(m K)", lambda values: values),
    Meaning("thermal resistivities in m K/W", lambda values: -np.log(values)),
    Meaning("thermal resistivities in cm K/W", lambda values: math.log(100) - np.log(values)),
)


@dataclass(frozen=True)
class Shift:
    """Values of a table that lie apart from what a model expects, all to one side.

    Attributes:
        factor: Median of value over expectation.
        meaning: What the numbers probably are; None if nothing usual explains them.
        part: Indices of the values; None if it is the whole table.
        other_quantity: Whether they are no conductivities in any unit.
        is_grave: Whether the values cannot be what they are taken for; otherwise they may well be right.
    """

    factor: float
    meaning: Meaning | None
    part: list[int] | None
    other_quantity: bool
    is_grave: bool


def find_shift(kappa: NDArray[np.float64], expected: NDArray[np.float64]) -> Shift | None:
    """Whether a table, or a part of it, is shifted against a model.

    Grave is a median factor above 30, a tenth of the values and at least three beyond a factor of 30 to one side, and
    numbers that agree with the model far better as logarithms or resistivities. A median factor above 5 is told, too.

    Args:
        kappa: (n,) values of the table, above 0.
        expected: (n,) what the model expects, W/(m K).
    """
    n = len(kappa)
    if n < FEWEST_ROWS:
        return None
    ratio = np.log(kappa / expected)
    median = float(np.median(ratio))
    if abs(median) > _WRONG_UNIT:
        meaning = _best_meaning(kappa, expected, (*UNITS, *OTHER_QUANTITIES))
        return Shift(math.exp(median), meaning, None, meaning in OTHER_QUANTITIES, is_grave=True)
    if other := _other_quantity(kappa, expected, ratio - median):
        return Shift(math.exp(median), other, None, other_quantity=True, is_grave=True)
    for far in (ratio > _WRONG_UNIT, ratio < -_WRONG_UNIT):
        if far.sum() >= max(FEWEST_ROWS, _PART * n):
            unit = _best_meaning(kappa[far], expected[far], UNITS)
            factor = math.exp(np.median(ratio[far]))
            return Shift(factor, unit, np.flatnonzero(far).tolist(), other_quantity=False, is_grave=True)
    if n >= _FEWEST_SHIFTED and abs(median) > _SHIFTED:
        meaning = _best_meaning(kappa, expected, OTHER_QUANTITIES)
        return Shift(math.exp(median), meaning, None, other_quantity=False, is_grave=False)
    return None


def seem_logarithms(not_positive: Sequence[float], kappa: NDArray[np.float64]) -> bool:
    """Whether values at zero and below show that a column holds logarithms.

    One number for all missing values is no logarithm, nor are numbers above 10 beside it.

    Args:
        not_positive: The values at zero and below.
        kappa: (n,) the others.
    """
    total = len(not_positive) + len(kappa)
    largest = max(map(abs, (*not_positive, *kappa.tolist())), default=0.0)
    return len(set(not_positive)) > 1 and len(not_positive) >= _PART * total and largest <= _LARGEST_LOGARITHM


def _best_meaning(
    kappa: NDArray[np.float64], expected: NDArray[np.float64], meanings: Sequence[Meaning]
) -> Meaning | None:
    """The meaning that agrees best with the model, if one does within a factor of 3 in the median."""
    errors = [_error(meaning, kappa, expected) for meaning in meanings]
    best = int(np.argmin(errors))
    return meanings[best] if errors[best] < _UNEXPLAINED else None


def _error(meaning: Meaning, kappa: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    return float(np.median(np.abs(meaning.ln_kappa(kappa) - np.log(expected))))


def _other_quantity(
    kappa: NDArray[np.float64], expected: NDArray[np.float64], around_median: NDArray[np.float64]
) -> Meaning | None:
    """Logarithm or resistivity, if it explains ten values or more far better than conductivities in any unit do."""
    error = float(np.median(np.abs(np.log(kappa / expected))))
    if len(kappa) < _FEWEST_OTHER_QUANTITY or error < _UNEXPLAINED:
        return None
    best = _best_meaning(kappa, expected, OTHER_QUANTITIES)
    limit = min(0.4 * error, 0.6 * float(np.median(np.abs(around_median))))
    return best if best and _error(best, kappa, expected) < limit else None
