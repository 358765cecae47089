"""A stage of a training: its data, its result, and the parts of the network that it moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kappatune.model.graphs import CrystalGraphs
from kappatune.model.heads import BASE_FIDELITY, KappaNetwork
from kappatune.training.recipe import Stage

CHECKPOINT = "checkpoint.safetensors"
"""Name of a checkpoint in the folder of its stage."""

BATCH_WITHOUT_GRADIENTS = 512
"""Crystals that are embedded or judged at once."""


@dataclass(frozen=True)
class StageData:
    """The labelled crystals of a stage, ready for the network.

    Attributes:
        graphs: Graphs of the crystals.
        kappa: (n,) W/(m K).
        properties: (n, 4) transformed properties (`kappatune.model.heads.transform_properties`), NaN where unknown.
        formulas: (n,) reduced formulas; rows of one formula are never split.
        pretraining: (n,) values of the column a stage pretrains on, in its unit; None otherwise.
    """

    graphs: CrystalGraphs
    kappa: NDArray[np.float64]
    properties: NDArray[np.float64]
    formulas: Sequence[str]
    pretraining: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class StageResult:
    """How a stage went for one member.

    Attributes:
        epochs: Epochs run.
        best_epoch: Epoch whose weights are used, counted from 1.
        validation_error: Mean absolute error of ln kappa, or of the column that a stage pretrains on, on the inner
            validation part at that epoch; None without such a part.
        n_train: Crystals fitted.
        n_validation: Crystals of the inner validation part.
        seconds: Wall time of this run of the stage.
    """

    epochs: int
    best_epoch: int
    validation_error: float | None
    n_train: int
    n_validation: int
    seconds: float


def split_by_formula(
    formulas: Sequence[str], fraction: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split rows in two so that no formula is on both sides.

    Args:
        formulas: (n,) reduced formulas.
        fraction: Part of the distinct formulas that goes to the second side.
        seed: Of the draw.

    Returns:
        Row indices of the two sides, ascending. With a positive fraction and two formulas or more, neither
        side is empty.
    """
    names, group = np.unique(np.asarray(formulas), return_inverse=True)
    n_held = min(max(1, round(fraction * len(names))), len(names) - 1) if fraction > 0 else 0
    held = np.random.default_rng([seed, 7]).permutation(len(names))[:n_held]
    is_held = np.isin(group, held)
    return np.flatnonzero(~is_held), np.flatnonzero(is_held)


def frozen_prefixes(network: KappaNetwork, stage: Stage, fidelity: str) -> tuple[str, ...]:
    """What a stage does not train: what the recipe freezes, other heads, and the host below a correction."""
    others = tuple(f"heads.{name}" for name in network.heads if name != fidelity)
    correction = network.composition == "debye" and fidelity != BASE_FIDELITY and not stage.pretrain
    return (*stage.frozen, *others, *(("host",) if correction else ()))


def freeze(network: KappaNetwork, prefixes: Sequence[str]) -> None:
    """Keep the parameters whose names begin with one of the prefixes from changing."""
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(not any(matches_prefix(name, prefix) for prefix in prefixes))


def matches_prefix(name: str, prefix: str) -> bool:
    """Whether a dotted parameter name is a prefix or continues it after a dot."""
    return name == prefix or name.startswith(f"{prefix}.")


def all_features(network: KappaNetwork, graphs: CrystalGraphs, ln_volume: Tensor | None = None) -> Tensor:
    """(n_crystals, d) inputs of the heads, without gradients.

    Args:
        network: Its host embeds.
        graphs: The crystals.
        ln_volume: (n_crystals,) strains (`GraphBatch.strained`); none by default.
    """
    network.eval()
    with torch.no_grad():
        parts = []
        for start in range(0, len(graphs), BATCH_WITHOUT_GRADIENTS):
            chosen = slice(start, start + BATCH_WITHOUT_GRADIENTS)
            batch = graphs.batch(chosen)
            parts.append(network.features(batch if ln_volume is None else batch.strained(ln_volume[chosen])))
    return torch.cat(parts)
