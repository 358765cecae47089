"""MACE-MP: Batatia et al., arXiv:2401.00096 (2023). Its package downloads the weights."""

from __future__ import annotations

from importlib.metadata import version

from kappatune.potentials.base import Potential, torch_device


def load() -> Potential:
    """MACE-MP-0b3 of medium size, in double precision."""
    from mace.calculators import mace_mp

    calculator = mace_mp(model="medium-0b3", device=torch_device(), default_dtype="float64")
    return Potential("MACE-MP-0b3", f"medium (mace-torch {version('mace-torch')})", calculator)
