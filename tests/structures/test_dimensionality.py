"""Molecules, chains, layers and the rest are told apart by their bonds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kappatune.model.graphs import build_graphs
from kappatune.structures import Crystal
from kappatune.structures.dimensionality import LONGEST_BOND_ANGSTROM, RADII_FACTOR, dimension
from studies.structures.known_crystals import known_crystals

NAMES = sorted(known_crystals())
TWIN = np.array([[1, 1, 0], [0, 1, 0], [1, 0, 2]])

NARROW = ("GeTe", "I2", "SnS", "Te")
"""Their longest bonds and shortest gaps differ by little: atoms that move by 0.02 Å can close a gap."""


def crystal_of(name: str) -> Crystal:
    return Crystal.from_pymatgen(known_crystals()[name][1], id=name)


@pytest.mark.parametrize("name", NAMES)
def test_dimension_is_that_of_textbooks_in_any_cell(name):
    known, structure = known_crystals()[name]
    assert dimension(crystal_of(name)) == known
    moved = structure.make_supercell(TWIN, in_place=False).translate_sites(range(2 * len(structure)), [0.37, 0.6, -0.8])
    assert dimension(Crystal.from_pymatgen(moved)) == known


@pytest.mark.parametrize("cutoff", [2.0, 4.0, 5.0])
def test_a_batch_gives_what_each_crystal_gives_whatever_its_cutoff(cutoff):
    graphs = build_graphs([crystal_of(name) for name in NAMES], cutoff)
    assert graphs.dimension.tolist() == [known_crystals()[name][0] for name in NAMES]


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from(NAMES), seed=st.integers(0, 2**32 - 1))
def test_thermal_motion_and_order_change_nothing(name, seed):
    crystal, random = crystal_of(name), np.random.default_rng(seed)
    order = random.permutation(crystal.n_atoms)
    motion_angstrom = 0.005 if name in NARROW else 0.02
    shaken = crystal.cartesian + random.normal(scale=motion_angstrom, size=(crystal.n_atoms, 3))
    frac_coords = np.linalg.solve(crystal.lattice.T, shaken.T).T
    assert dimension(Crystal(crystal.lattice, crystal.numbers[order], frac_coords[order])) == known_crystals()[name][0]


def test_atoms_far_apart_are_not_bonded():
    lonely = Crystal(np.eye(3) * 9.0, np.array([18]), np.zeros((1, 3)))
    assert dimension(lonely) == 0 and build_graphs([lonely], 5.0).dimension.tolist() == [0]
    assert build_graphs([], 5.0).dimension.tolist() == []


def test_the_search_reaches_the_longest_bond():
    from ase.data import covalent_radii

    assert 2 * RADII_FACTOR * covalent_radii.max() < LONGEST_BOND_ANGSTROM
