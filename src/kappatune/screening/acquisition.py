"""Which crystals to compute next: expected improvement, reduced for crystals similar to those already chosen.

The improvement is that of ln kappa below (or above) a target, for a normal distribution: Jones, Schonlau and Welch,
J. Global Optim. 13, 455 (1998), eq. 15. The standard deviation is that of a normal distribution whose 90 % interval is
the calibrated one. Where the interval is not calibrated, it is the spread of the members, widened with the distance to
the nearest labelled crystal. A batch is chosen one by one; after every choice the merit of similar crystals is
multiplied by a penalty, after the "local penalization" of González, Dai, Hennig and Lawrence, AISTATS 2016, here in
composition.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from kappatune.model.intervals import INTERVAL_SIGMAS

Direction = Literal["low", "high"]
Floats = NDArray[np.float64]

TARGET_FRACTION = 0.05
"""Fraction of the crystals whose predicted kappa lies beyond the target."""

SIGMA_PER_DISTANCE = 0.5
"""Growth of the standard deviation of ln kappa with the distance to the nearest labelled crystal."""

PENALTY_POWER = 4
"""How sharply the penalty of `choose` grows with similarity."""

_SMALLEST_SIGMA = 1e-3


def standard_deviation(half_width: Floats, spread: Floats, distance: Floats) -> Floats:
    """Standard deviation of ln kappa: from the calibrated interval where there is one, or else `widened`.

    Args:
        half_width: (n,) half-width of the calibrated 90 % interval in ln kappa; NaN where it is not calibrated.
        spread: (n,) as for `widened`.
        distance: (n,) as for `widened`.

    Returns:
        (n,) positive.
    """
    calibrated = np.maximum(half_width / INTERVAL_SIGMAS, _SMALLEST_SIGMA)
    return np.where(np.isfinite(half_width), calibrated, widened(spread, distance))


def widened(spread: Floats, distance: Floats) -> Floats:
    """Standard deviation of ln kappa: sqrt(spread^2 + (`SIGMA_PER_DISTANCE` distance)^2).

    Args:
        spread: (n,) sample standard deviation of the members' ln kappa; NaN, where unknown, counts as zero.
        distance: (n,) distance to the nearest labelled crystal, in units of the embedding's scale; likewise.

    Returns:
        (n,) positive.
    """
    far = SIGMA_PER_DISTANCE * np.nan_to_num(distance)
    return np.maximum(np.hypot(np.nan_to_num(spread), far), _SMALLEST_SIGMA)


def probability(ln_kappa: Floats, sigma: Floats, target: float, seek: Direction) -> Floats:
    """(n,) probability that ln kappa lies beyond the target; arguments as for `expected_improvement`."""
    return np.asarray(ndtr(_gain(ln_kappa, target, seek) / sigma))


def expected_improvement(ln_kappa: Floats, sigma: Floats, target: float, seek: Direction) -> Floats:
    """Mean improvement on the target, where no improvement counts as zero: g Phi(g/sigma) + sigma phi(g/sigma).

    Args:
        ln_kappa: (n,) predicted ln kappa, kappa in W/(m K).
        sigma: (n,) its standard deviation, positive.
        target: ln kappa beyond which improvement counts.
        seek: `low`: g is target - ln kappa; `high`: g is ln kappa - target.

    Returns:
        (n,) in ln kappa.
    """
    gain = _gain(ln_kappa, target, seek)
    z = gain / sigma
    density = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
    result: Floats = np.maximum(gain * ndtr(z) + sigma * density, 0.0)
    return result


def choose(
    ln_kappa: Floats,
    sigma: Floats,
    distance: Floats,
    fractions: Floats,
    n: int,
    *,
    target: float,
    seek: Direction = "low",
) -> NDArray[np.int64]:
    """Choose a batch of crystals to compute.

    Each choice is the crystal with the highest merit: the expected improvement times 1 - s^4 for every crystal chosen
    before, where s is the similarity of the two, the sum over elements of the smaller atomic fraction (1 for the same
    composition, 0 for no common element). A polymorph is therefore chosen only when nothing else remains.

    Args:
        ln_kappa: (m,) predicted ln kappa of the candidates, kappa in W/(m K).
        sigma: (m,) its standard deviation, positive.
        distance: (m,) distance to the nearest labelled crystal, in units of the embedding's scale; NaN where unknown. A
            candidate at distance 0 is labelled itself, and never chosen.
        fractions: (m, n_elements) atomic fractions.
        n: How many to choose.
        target: ln kappa beyond which improvement counts.
        seek: Low or high kappa.

    Returns:
        Distinct indices in the order of choice: n, or all that can be chosen.
    """
    merit = expected_improvement(ln_kappa, sigma, target, seek)
    order = np.lexsort((-_gain(ln_kappa, target, seek), -merit))
    order = order[distance[order] != 0.0]
    merit, fractions = merit[order], fractions[order]
    chosen: list[int] = []
    for _ in range(min(n, len(order))):
        best = int(np.argmax(merit))
        chosen.append(best)
        similarity = np.minimum(fractions, fractions[best]).sum(axis=1).clip(max=1.0)
        merit = merit * (1.0 - similarity**PENALTY_POWER)
        merit[chosen] = -1.0
    result: NDArray[np.int64] = order[chosen]
    return result


def _gain(ln_kappa: Floats, target: float, seek: Direction) -> Floats:
    return target - ln_kappa if seek == "low" else ln_kappa - target
