from __future__ import annotations

import pytest

from kappatune.potentials import load_potential
from tests.potentials.potential_contract import PotentialContract

pytest.importorskip("chgnet", reason="CHGNet is not installed: pip install '.[mlip]'")


@pytest.fixture(scope="module")
def loaded():
    return load_potential("chgnet")


@pytest.mark.potential
class TestCHGNet(PotentialContract):
    unknown_element = 100
    step = 0.005
    energy_tolerance = 1e-5
    force_tolerance = 2e-3
    stress_tolerance = 2e-4

    @pytest.fixture
    def potential(self, loaded):
        return loaded
