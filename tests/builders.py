"""Small crystals that tests are made of."""

from __future__ import annotations

import numpy as np

from kappatune.structures import Crystal

FCC = np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])


def rocksalt(first: int, second: int, a: float, id: str = "") -> Crystal:
    return Crystal(FCC * a, np.array([first, second]), np.array([[0.0, 0, 0], [0.5, 0.5, 0.5]]), id=id)


def zincblende(first: int, second: int, a: float, id: str = "") -> Crystal:
    return Crystal(FCC * a, np.array([first, second]), np.array([[0.0, 0, 0], [0.25, 0.25, 0.25]]), id=id)


def low_symmetry(seed: int = 0, n: int = 7) -> Crystal:
    """A crystal no two atoms of which are equivalent."""
    rng = np.random.default_rng(seed)
    lattice = np.diag([6.0, 6.5, 7.0]) + rng.normal(scale=0.3, size=(3, 3))
    grid = np.stack(np.meshgrid(*[[0.1, 0.6]] * 3), axis=-1).reshape(-1, 3)[:n]
    return Crystal(lattice, rng.choice([8, 14, 20, 26], n), grid + rng.normal(scale=0.03, size=(n, 3)), id="p1")


def supercell(crystal: Crystal, repeats: tuple[int, int, int]) -> Crystal:
    shifts = np.stack(np.meshgrid(*[np.arange(r) for r in repeats], indexing="ij"), axis=-1).reshape(-1, 3)
    frac = (crystal.frac_coords[None] + shifts[:, None]).reshape(-1, 3) / np.array(repeats)
    numbers = np.tile(crystal.numbers, len(shifts))
    return Crystal(crystal.lattice * np.array(repeats)[:, None], numbers, frac, id=crystal.id)
