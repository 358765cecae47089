"""A crystal is the same crystal however it is described; its polymorphs are others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kappatune.structures import Crystal
from kappatune.structures.same_crystal import mean_distances, same_crystals
from tests.builders import low_symmetry, rocksalt, supercell, zincblende

SEEDS = st.integers(0, 10_000)
REPEATS = st.tuples(*[st.integers(1, 2)] * 3)


def wurtzite(first: int, second: int, a: float) -> Crystal:
    lattice = a * np.array([[1.0, 0, 0], [-0.5, np.sqrt(0.75), 0], [0, 0, np.sqrt(8 / 3)]])
    sites = np.array([[1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0.5], [1 / 3, 2 / 3, 0.375], [2 / 3, 1 / 3, 0.875]])
    return Crystal(lattice, np.array([first, first, second, second]), sites)


def described_otherwise(crystal: Crystal, seed: int) -> Crystal:
    """Other vectors of the same lattice, another origin, turned or mirrored axes, atoms in another order and cell."""
    rng = np.random.default_rng(seed)
    basis = np.eye(3, dtype=int)
    for _ in range(3):
        i, j = rng.choice(3, 2, replace=False)
        basis[i] += rng.integers(-1, 2) * basis[j]
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    order = rng.permutation(crystal.n_atoms)
    frac = crystal.frac_coords @ np.linalg.inv(basis) + rng.random(3) + rng.integers(-2, 3, (crystal.n_atoms, 3))
    return Crystal(basis @ crystal.lattice @ turn, crystal.numbers[order], frac[order])


@pytest.mark.parametrize("crystal", [rocksalt(12, 8, 4.212), zincblende(14, 14, 5.431), low_symmetry()])
@settings(deadline=None, max_examples=15)
@given(seed=SEEDS, repeats=REPEATS)
def test_cell_axes_origin_and_order_do_not_matter(crystal, seed, repeats):
    other = described_otherwise(supercell(crystal, repeats), seed)
    assert mean_distances(other) == pytest.approx(mean_distances(crystal), rel=1e-6)
    assert same_crystals([crystal, other]) == [[0, 1]]


@settings(deadline=None, max_examples=15)
@given(seed=SEEDS, strain=st.floats(-0.009, 0.009))
def test_a_little_strain_and_rounded_coordinates_do_not_matter(seed, strain):
    crystal = low_symmetry()
    other = Crystal(crystal.lattice * (1 + strain), crystal.numbers, crystal.frac_coords.round(3))
    assert same_crystals([crystal, described_otherwise(other, seed)]) == [[0, 1]]


def test_polymorphs_and_strained_cells_are_other_crystals():
    forms = [zincblende(30, 16, 5.41), wurtzite(30, 16, 3.82), rocksalt(30, 16, 5.41), zincblende(30, 16, 5.6)]
    assert same_crystals(forms) == []
    assert same_crystals([rocksalt(12, 8, 4.2), rocksalt(20, 8, 4.2)]) == []


def test_a_distorted_form_is_another_crystal():
    """Barium titanate: cubic, and tetragonal with titanium off the centre (a 3.99 Å, c 4.03 Å)."""
    numbers = np.array([56, 22, 8, 8, 8])
    sites = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    shifts = np.outer([0, 0.015, -0.023, -0.014, -0.014], [0, 0, 1])
    cubic, tetragonal = (
        Crystal(np.eye(3) * 4.0, numbers, sites),
        Crystal(np.diag([3.99, 3.99, 4.03]), numbers, sites + shifts),
    )
    assert same_crystals([cubic, tetragonal, supercell(cubic, (2, 1, 1)), supercell(tetragonal, (1, 1, 2))]) == [
        [0, 2],
        [1, 3],
    ]


def test_groups_keep_the_order_of_the_list():
    first, second = rocksalt(12, 8, 4.2), zincblende(14, 14, 5.4)
    crystals = [second, first, rocksalt(3, 9, 4.0), supercell(first, (1, 1, 2)), second, first]
    assert same_crystals(crystals) == [[0, 4], [1, 3, 5]]
    assert same_crystals([]) == []
