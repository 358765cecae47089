"""Nequix, whose model `nequix-mp-1-pft` was fine-tuned on phonons. Its package downloads the weights."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from kappatune.potentials.base import Potential
from kappatune.storage import file_sha256

WEIGHT_SUFFIXES = (".nqx", ".pt")
"""Names of weight files end like this: `.nqx` for JAX, `.pt` for torch."""


def load(weights: Path | None = None) -> Potential:
    """The model `nequix-mp-1-pft`, or other weights from a file.

    Args:
        weights: A file of weights; None for those that the package downloads.
    """
    from nequix.calculator import NequixCalculator

    if weights is None:
        calculator, name = NequixCalculator("nequix-mp-1-pft", use_kernel=False), "nequix-mp-1-pft"
    else:
        backend = "torch" if weights.suffix == ".pt" else "jax"
        calculator, name = NequixCalculator(model_path=str(weights), backend=backend, use_kernel=False), weights.stem
    return Potential(
        name,
        f"(nequix {version('nequix')})",
        calculator,
        elements=frozenset(int(number) for number in calculator.config["atomic_numbers"]),
        fingerprint=file_sha256(weights) if weights else "",
    )
