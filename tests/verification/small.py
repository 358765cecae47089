"""Crystals and settings with which phonon transport takes a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase.build import bulk
from ase.spacegroup import crystal as spacegroup_cell

from kappatune.potentials import Potential, load_potential
from kappatune.structures import Crystal
from kappatune.verification import Verifier, VerifySettings
from tests import toy_potentials as toy

TOY = Path(toy.__file__)
SETTINGS = VerifySettings.of("quick", mesh_length=12.0, mesh_tolerance=0.5, temperatures_k=(200.0, 300.0))
COPPER = Crystal.from_ase(bulk("Cu", "fcc", 3.6), id="cu")
ALLOY = Crystal(
    3.75 * np.eye(3),
    np.array([79, 29, 29, 29]),
    np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]]),
    id="cu3au",
)
"""Four atoms in the primitive cell, and stable."""

HEUSLER = Crystal.from_ase(
    spacegroup_cell(
        ("Al", "Ni", "Cu"),
        [(0, 0, 0), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)],
        spacegroup=225,
        cellpar=[6.0] * 3 + [90] * 3,
    ),
    id="alcu2ni",
)
"""Four atoms in the primitive cell, sixteen in the conventional one; not stable."""


def potential(name: str = "copper") -> Potential:
    return load_potential(f"{TOY}:{name}")


def verifier(out: Path, settings: VerifySettings = SETTINGS, name: str = "copper", **others) -> Verifier:
    return Verifier(potential(name), settings, out, **others)
