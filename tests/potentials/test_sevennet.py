from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from kappatune.potentials import load_potential
from tests.potentials.potential_contract import PotentialContract

pytest.importorskip("sevenn", reason="SevenNet is not installed: pip install '.[mlip]'")


@pytest.fixture(scope="module")
def loaded():
    return load_potential("sevennet")


@pytest.mark.potential
class TestSevenNet(PotentialContract):
    unknown_element = 100
    step = 0.005
    energy_tolerance = 1e-5
    force_tolerance = 2e-3
    stress_tolerance = 2e-4

    @pytest.fixture
    def potential(self, loaded):
        return loaded


@pytest.mark.potential
@pytest.mark.parametrize("bonds_per_part", [30, 200])
def test_messages_in_parts_give_the_same_forces(loaded, monkeypatch, bonds_per_part):
    from kappatune.potentials.sevennet_messages import NUMBERS_PER_PART

    cells = [bulk("NaCl", "rocksalt", a=5.6, cubic=True), bulk("Si", a=5.4)]
    for cell in cells:
        cell.rattle(0.05, seed=1)
    whole = loaded.evaluate(cells)
    numbers = bonds_per_part * loaded.calculator.model.get_submodule("1_convolution").message_size
    monkeypatch.setitem(NUMBERS_PER_PART, "cpu", numbers)
    for in_parts, expected in zip(loaded.evaluate(cells), whole, strict=True):
        assert in_parts.energy == pytest.approx(expected.energy, abs=1e-5)
        np.testing.assert_allclose(in_parts.forces, expected.forces, atol=1e-5)
        np.testing.assert_allclose(in_parts.stress, expected.stress, atol=1e-6)
