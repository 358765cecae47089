"""What knowledge beforehand is worth in labels: how many more an arm needs without it to be as good."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from studies.phonix.curve_cells import ArmCell

_LEVEL = 0.95
_ROUNDING = 1e-9


@dataclass(frozen=True)
class LabelsWorth:
    """N labels with something known beforehand, against labels without it.

    Attributes:
        n: Labels with it.
        labels: Labels without it that give the same error, geometric mean over the draws; None if a draw needs more
            than all.
        low: Lower end of the 95 % interval of that mean over the draws.
        high: Upper end.
        at_least: That mean with all labels for the draws that need more; None if every draw does.
        n_most: All labels.
        gain: Mean |log10| error without it less that with it, mean over the draws at `n` labels for both.
        gain_low: Lower end of the 95 % interval of the gain over the draws.
        gain_high: Upper end.
    """

    n: int
    labels: float | None
    low: float | None
    high: float | None
    at_least: float | None
    n_most: int
    gain: float
    gain_low: float
    gain_high: float

    @property
    def is_seen(self) -> bool:
        """Whether the interval of the gain lies above zero."""
        return self.gain_low > _ROUNDING

    @property
    def is_loss(self) -> bool:
        """Whether the interval of the gain lies below zero."""
        return self.gain_high < -_ROUNDING


def errors(cells: Sequence[ArmCell], arm: str) -> dict[int, NDArray[np.float64]]:
    """(draws,) mean |log10| errors of an arm by the number of labels, ascending, in the order of the draws."""
    by_n: dict[int, dict[int, float]] = defaultdict(dict)
    for cell in cells:
        if cell.arm == arm:
            by_n[cell.n][cell.draw] = cell.mean_abs_log10
    return {n: np.array([by_n[n][draw] for draw in sorted(by_n[n])]) for n in sorted(by_n)}


def worth_of(cells: Sequence[ArmCell], without: str, with_it: str) -> list[LabelsWorth]:
    """What the one arm has beyond the other, for each number of labels; both arms have all draws of each."""
    curve, other = errors(cells, without), errors(cells, with_it)
    sizes = list(curve)
    per_draw = np.array([curve[n] for n in sizes])
    found = []
    for n in sizes:
        needed = [_labels_for(sizes, column, error) for column, error in zip(per_draw.T, other[n], strict=True)]
        is_complete = None not in needed
        centre, half = mean_and_half_width(np.log([m or sizes[-1] for m in needed]))
        gain, gain_half = mean_and_half_width(curve[n] - other[n])
        found.append(
            LabelsWorth(
                n=n,
                labels=float(np.exp(centre)) if is_complete else None,
                low=float(np.exp(centre - half)) if is_complete else None,
                high=float(np.exp(centre + half)) if is_complete else None,
                at_least=float(np.exp(centre)) if any(needed) else None,
                n_most=sizes[-1],
                gain=gain,
                gain_low=gain - gain_half,
                gain_high=gain + gain_half,
            )
        )
    return found


def gain_over_sizes(cells: Sequence[ArmCell], without: str, with_it: str) -> tuple[float, float]:
    """Mean gain over all numbers of labels, and half the width of its 95 % interval over the draws."""
    curve, other = errors(cells, without), errors(cells, with_it)
    return mean_and_half_width(np.mean([curve[n] - other[n] for n in curve], axis=0))


def mean_and_half_width(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean of several draws and half the width of its 95 % interval, by Student's t."""
    n = len(values)
    width = float(t.ppf(0.5 + _LEVEL / 2, n - 1) * values.std(ddof=1) / np.sqrt(n)) if n > 1 else np.inf
    return float(values.mean()), width


def _labels_for(sizes: Sequence[int], curve: NDArray[np.float64], error: float) -> float | None:
    """Labels at which a curve first falls to an error, between sizes on a log scale; None if it never does."""
    reached = np.flatnonzero(curve <= error + _ROUNDING)
    if not len(reached):
        return None
    k = reached[0]
    if k == 0:
        return float(sizes[0])
    share = (curve[k - 1] - error) / (curve[k - 1] - curve[k])
    return float(np.exp(np.log(sizes[k - 1]) + share * np.log(sizes[k] / sizes[k - 1])))
