from __future__ import annotations

import sys
from pathlib import Path

import pytest
from ase.build import bulk
from ase.calculators.lj import LennardJones

from kappatune.potentials import BadPotential, Potential, load_potential
from kappatune.storage import file_sha256
from tests import toy_potentials as toy
from tests.potentials.potential_contract import PotentialContract, distorted

TOY = Path(toy.__file__)


class TestTersoff(PotentialContract):
    unknown_element = 13

    @pytest.fixture
    def potential(self):
        return load_potential(f"{TOY}:silicon")


class TestEffectiveMedium(PotentialContract):
    unknown_element = 14

    @pytest.fixture
    def potential(self):
        return load_potential(f"{TOY}:copper")

    @pytest.fixture
    def cell(self):
        return distorted(bulk("Cu", "fcc", 3.6, orthorhombic=True))


class TestLennardJones(PotentialContract):
    @pytest.fixture
    def potential(self):
        return Potential("argon", "1", LennardJones(sigma=3.4, epsilon=0.0104, rc=10.0), elements=frozenset({18}))

    @pytest.fixture
    def cell(self):
        return distorted(bulk("Ar", "fcc", 5.2, orthorhombic=True))


def test_a_file_of_python_is_identified_by_its_content():
    potential = load_potential(f"{TOY}:silicon")
    assert potential.name == "Tersoff" and potential.fingerprint == file_sha256(TOY)
    assert str(potential) == f"Tersoff ({TOY}:silicon)"


def test_a_function_of_an_installed_package_is_named_with_its_version():
    from importlib.metadata import version

    assert str(load_potential("ase.calculators.emt:EMT")) == f"EMT (ase.calculators.emt:EMT, {version('ase')})"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no_such_module:make", "cannot be made"),
        ("no/such/file.py:make", "no such file"),
        (f"{TOY}:nothing", "cannot be made"),
        (f"{TOY}:not_a_calculator", "does not return an ASE calculator"),
    ],
)
def test_what_makes_no_calculator_is_refused_with_its_reason(name, reason):
    with pytest.raises(BadPotential, match=reason):
        load_potential(name)


def test_a_module_that_has_changed_is_another_potential(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    found = []
    for strength in (1, 2):
        (tmp_path / "springs.py").write_text(
            f"from ase.calculators.emt import EMT\nSTRENGTH = {strength}\ndef make():\n    return EMT()\n"
        )
        monkeypatch.delitem(sys.modules, "springs", raising=False)
        found.append(load_potential("springs:make").fingerprint)
    assert found[0] and found[1] and found[0] != found[1]
