from __future__ import annotations

import time

import numpy as np
import pytest
from ase.build import bulk, make_supercell
from hypothesis import given, settings
from hypothesis import strategies as st

from kappatune.structures import Crystal
from kappatune.structures.crystal import n_translations
from kappatune.structures.translations import effective_n_translations, weight

CELLS = {
    "Si": bulk("Si", "diamond", a=5.43),
    "NaCl": bulk("NaCl", "rocksalt", a=5.64),
    "CsCl": bulk("CsCl", "cesiumchloride", a=4.12),
    "ZnO": bulk("ZnO", "wurtzite", a=3.25, c=5.2),
    "Mg": bulk("Mg", "hcp", a=3.2, c=5.2),
}


def supercell(name: str, repeats) -> Crystal:
    return Crystal.from_ase(CELLS[name].repeat(repeats))


def moved(crystal: Crystal, step: float, seed: int = 0) -> Crystal:
    """Every atom moved by `step` Å in a random direction."""
    direction = np.random.default_rng(seed).normal(size=(crystal.n_atoms, 3))
    direction *= step / np.linalg.norm(direction, axis=1)[:, None]
    return Crystal(crystal.lattice, crystal.numbers, crystal.frac_coords + direction @ np.linalg.inv(crystal.lattice))


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("repeats", [(1, 1, 1), (2, 1, 1), (2, 2, 2), (3, 2, 1)])
def test_perfect_supercells_have_one_translation_per_cell(name, repeats):
    crystal = supercell(name, repeats)
    assert effective_n_translations(crystal) == pytest.approx(np.prod(repeats)) == n_translations(crystal)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("step", [0.02, 0.05])
def test_moved_atoms_leave_the_count_as_it_is(name, step):
    crystal = supercell(name, (3, 3, 3))
    assert effective_n_translations(moved(crystal, step)) == pytest.approx(27.0, rel=0.005)


def test_a_conventional_cell_and_one_sheared_by_lattice_vectors():
    conventional = Crystal.from_ase(bulk("NaCl", "rocksalt", a=5.64, cubic=True))
    sheared = Crystal.from_ase(make_supercell(CELLS["NaCl"], [[1, 3, 0], [0, 2, 5], [0, 0, 2]]))
    assert effective_n_translations(conventional) == pytest.approx(4.0)
    assert effective_n_translations(sheared) == pytest.approx(4.0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(sorted(CELLS)), st.floats(0.0, 0.6))
def test_no_change_by_shift_rotation_order_or_choice_of_images(seed, name, step):
    rng = np.random.default_rng(seed)
    crystal = moved(supercell(name, (2, 2, 1)), step, seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    order = rng.permutation(crystal.n_atoms)
    coords = crystal.frac_coords + rng.normal(size=3) + rng.integers(-2, 3, size=(crystal.n_atoms, 3))
    other = Crystal(crystal.lattice @ rotation, crystal.numbers[order], coords[order])
    expected = effective_n_translations(crystal)
    if step < 0.3:
        assert effective_n_translations(other) == pytest.approx(expected, abs=1e-6)
    assert 1.0 <= effective_n_translations(other) <= 4.0 + 1e-9


def test_an_atom_that_leaves_its_place_changes_the_count_without_a_step():
    crystal = supercell("NaCl", (2, 1, 1))
    counts = []
    for step in np.linspace(0.0, 1.4, 281):
        coords = crystal.frac_coords.copy()
        coords[0] += np.array([step, 0.0, 0.0]) @ np.linalg.inv(crystal.lattice)
        counts.append(effective_n_translations(Crystal(crystal.lattice, crystal.numbers, coords)))
    assert counts[0] == pytest.approx(2.0) and counts[-1] == pytest.approx(1.0)
    assert np.all(np.diff(counts) <= 1e-9) and np.abs(np.diff(counts)).max() < 0.03


def test_ordered_superstructures_are_no_repetition():
    cell = CELLS["NaCl"].repeat((2, 1, 1))
    cell.symbols[0] = "K"
    assert effective_n_translations(Crystal.from_ase(cell)) == 1.0
    rng = np.random.default_rng(1)
    liquid = Crystal(10.0 * np.eye(3), np.full(16, 14), rng.random((16, 3)))
    assert effective_n_translations(liquid) == pytest.approx(1.0)


def test_weight_is_flat_then_falls():
    assert weight(np.array([0.0, 0.1, 0.3, 0.5, 2.0])) == pytest.approx([1.0, 1.0, 0.5, 0.0, 0.0])


def test_big_cells_take_no_longer_than_a_second():
    crystal = moved(supercell("NaCl", (7, 7, 7)), 0.03)
    started = time.process_time()
    assert effective_n_translations(crystal) == pytest.approx(343.0, rel=0.01)
    assert time.process_time() - started < 3.0
