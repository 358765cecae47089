"""Label noise: how far two DFT values of the same crystal are apart. No model is better than that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from studies.phonix.labels import PHONIX_SET, DftLabels

SECOND_VALUE = "kappa_ksrme_pbe_nac"
"""Column of L96 with an independent value."""


class LabelNoise(BaseModel):
    """Two sets of values of the same crystals.

    Attributes:
        sets: Their names.
        n: Crystals with both: same reduced formula, space group and number of sites.
        mean_abs_log10: Mean |log10(second / first)|.
        median_abs_log10: Median of the same.
        offset_log10: Mean log10(second / first).
        after_offset: Mean |log10| once the offset is taken off.
    """

    model_config = ConfigDict(extra="forbid")

    sets: tuple[str, str]
    n: int
    mean_abs_log10: float
    median_abs_log10: float
    offset_log10: float
    after_offset: float


def label_noise(labels: DftLabels) -> Iterator[LabelNoise]:
    """Phonix beside each other set, and both values of L96."""
    ln_of = {name: _by_crystal(labels, name) for name in (PHONIX_SET, "L96", "HH143")}
    second = {
        _key(labels, i): float(np.log10(labels.rows[i].properties[SECOND_VALUE]))
        for i in labels.rows_of("L96")
        if labels.rows[i].properties.get(SECOND_VALUE, 0.0) > 0
    }
    ln_of["L96, second value"] = second
    for first, other in ((PHONIX_SET, "L96"), (PHONIX_SET, "HH143"), ("L96", "L96, second value")):
        shared = sorted(ln_of[first].keys() & ln_of[other].keys())
        if shared:
            yield noise_of((first, other), np.array([ln_of[other][key] - ln_of[first][key] for key in shared]))


def noise_of(sets: tuple[str, str], log10_ratio: NDArray[np.float64]) -> LabelNoise:
    """Summary of (n,) log10 ratios of two values of the same crystals."""
    offset = float(log10_ratio.mean())
    return LabelNoise(
        sets=sets,
        n=len(log10_ratio),
        mean_abs_log10=float(np.abs(log10_ratio).mean()),
        median_abs_log10=float(np.median(np.abs(log10_ratio))),
        offset_log10=offset,
        after_offset=float(np.abs(log10_ratio - offset).mean()),
    )


def _by_crystal(labels: DftLabels, name: str) -> dict[tuple[str, str], float]:
    """Mean log10 kappa of each crystal of a set: polymorphs of one prototype are one crystal."""
    values: dict[tuple[str, str], list[float]] = {}
    for i in labels.rows_of(name):
        values.setdefault(_key(labels, i), []).append(float(np.log10(labels.kappa[i])))
    return {key: _mean(of_key) for key, of_key in values.items()}


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _key(labels: DftLabels, i: int) -> tuple[str, str]:
    return str(labels.formulas[i]), str(labels.prototypes[i])
