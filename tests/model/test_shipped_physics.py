"""What the shipped models promise of every crystal: kappa is continuous in the structure and falls with the volume."""

from __future__ import annotations

import numpy as np
import pytest

from kappatune import KappaModel
from kappatune.structures import Crystal
from tests.builders import rocksalt, supercell, zincblende

CRYSTALS = {
    "Si": supercell(zincblende(14, 14, 5.43), (4, 4, 2)),
    "NaCl": supercell(rocksalt(11, 17, 5.64), (4, 3, 2)),
    "PbTe": supercell(rocksalt(82, 52, 6.46), (3, 3, 3)),
}


@pytest.fixture(scope="module", params=["accurate", "fast"])
def model(request) -> KappaModel:
    return KappaModel.load(request.param)


def ln_kappa(model: KappaModel, crystals: list[Crystal]) -> np.ndarray:
    return np.log([row.kappa_w_mk for row in model.predict(crystals)])


def strained(crystal: Crystal, ln_volume: float) -> Crystal:
    return Crystal(crystal.lattice * np.exp(ln_volume / 3), crystal.numbers, crystal.frac_coords)


@pytest.mark.parametrize(("angstrom", "largest"), [(0.02, 0.05), (0.05, 0.20)])
@pytest.mark.parametrize("name", CRYSTALS)
def test_moving_every_atom_a_little_changes_little(model, name, angstrom, largest):
    crystal, draw = CRYSTALS[name], np.random.default_rng(0)
    direction = draw.normal(size=crystal.frac_coords.shape)
    moves = angstrom * direction / np.linalg.norm(direction, axis=1, keepdims=True)
    moved = Crystal(crystal.lattice, crystal.numbers, crystal.frac_coords + moves @ np.linalg.inv(crystal.lattice))
    before, after = ln_kappa(model, [crystal, moved])
    assert abs(np.expm1(after - before)) < largest


@pytest.mark.parametrize("crystal", [zincblende(14, 14, 5.43), rocksalt(12, 8, 4.212)], ids=["Si", "MgO"])
def test_kappa_falls_with_the_volume_without_steps(model, crystal):
    curve = ln_kappa(model, [strained(crystal, x) for x in np.arange(-0.03, 0.0301, 0.001)])
    steps = np.diff(curve)
    assert steps.max() < 0 and np.abs(steps).max() < 0.02
    assert -12 < (curve[-1] - curve[0]) / 0.06 < -2


def test_a_halide_perovskite_gets_an_answer(model):
    positions = np.array([[0.5, 0.5, 0.5], [0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]])
    (row,) = model.predict([Crystal(np.eye(3) * 6.29, np.array([55, 82, 53, 53, 53]), positions)])
    assert 0.05 < row.kappa_w_mk < 2 and row.lower_w_mk < row.kappa_w_mk < row.upper_w_mk
