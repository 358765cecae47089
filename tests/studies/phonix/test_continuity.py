from __future__ import annotations

import numpy as np
import pytest

from kappatune import KappaModel
from studies.phonix.continuity import displaced, followed, largest_step, moved, rounded, supercell_of, with_few_decimals
from tests.builders import low_symmetry, rocksalt, supercell, zincblende

CRYSTALS = [rocksalt(12, 8, 4.2126, "MgO"), zincblende(14, 14, 5.4309, "Si")]


@pytest.fixture(scope="module")
def model() -> KappaModel:
    return KappaModel.load("fast")


def test_supercells_are_the_same_crystal_with_40_to_96_atoms(model):
    for crystal in CRYSTALS:
        large = supercell_of(crystal)
        assert 40 <= len(large.numbers) <= 96 and large.formula_key == crystal.formula_key
        small, of_large = model.predict([crystal, large])
        assert of_large.kappa_w_mk == pytest.approx(small.kappa_w_mk, rel=1e-4)
    assert supercell_of(low_symmetry(n=7)) is not None
    assert supercell_of(supercell(CRYSTALS[0], (4, 4, 3))) is None, "96 atoms already, so no copies"


def test_every_atom_moves_by_the_distance():
    crystal = supercell_of(CRYSTALS[0])
    after = displaced(crystal, 0.05, np.random.default_rng(0))
    moves = (after.frac_coords - crystal.frac_coords) @ crystal.lattice
    assert np.allclose(np.linalg.norm(moves, axis=1), 0.05)


def test_three_decimals_are_kept():
    crystal = low_symmetry()
    assert np.array_equal(with_few_decimals(crystal).frac_coords, crystal.frac_coords.round(3))
    volume = abs(np.linalg.det(with_few_decimals(crystal).lattice))
    assert volume == pytest.approx(abs(np.linalg.det(crystal.lattice)), rel=1e-3)


def test_what_is_stored_of_a_model(model):
    first, second = moved(model, CRYSTALS)
    assert first["n_supercells"] == 2 and 0 < first["median_change"] <= first["largest_change"] < 0.05
    assert first["largest_change"] < second["largest_change"] < 0.2
    assert rounded(model, CRYSTALS)["largest_change"] < 0.05
    found = followed(model, CRYSTALS, n_fine=1)
    assert (found["n"], found["n_fine"], found["falling"]) == (2, 1, 1.0) and -12 < found["median_slope"] < -2
    assert found["largest_step"] == pytest.approx(max(largest_step(model, c) for c in CRYSTALS), rel=1.0)
    assert 0 <= found["median_gruneisen_difference"] < 1
