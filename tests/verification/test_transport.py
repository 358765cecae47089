"""Elements without natural isotopes, temperatures too low for the mesh, and errors beside kappa."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from phono3py.other.isotope import get_mass_variances

from kappatune.verification import verifier as verifier_module
from kappatune.verification.api import iter_costs
from kappatune.verification.cell_formats import ase_to_phonopy
from kappatune.verification.transport import natural_mass_variances, without_natural_isotopes
from tests.verification.small import COPPER, SETTINGS, TOY, verifier


def cell(*symbols: str) -> Atoms:
    return Atoms(symbols, cell=5 * np.eye(3), scaled_positions=[[k / 4, 0, 0] for k in range(len(symbols))], pbc=True)


def test_an_element_without_natural_isotopes_scatters_by_none():
    mixed = ase_to_phonopy(cell("Tc", "Si", "Np"))
    assert without_natural_isotopes(mixed) == ("Np", "Tc")
    (silicon,) = get_mass_variances(symbols=["Si"])
    assert natural_mass_variances(mixed) == pytest.approx([0.0, silicon, 0.0]) and silicon > 0


def test_elements_have_phonopys_masses_and_where_it_has_none_those_of_ase():
    assert ase_to_phonopy(cell("Pu", "N")).masses == pytest.approx([244.0, 14.0067], rel=1e-3)


def test_a_crystal_without_natural_isotopes_has_kappa_and_a_warning(tmp_path):
    row = verifier(tmp_path, name="stiff_lennard_jones").verify(COPPER.from_ase(bulk("Tc", "fcc", 3.9), id="tc"))
    assert row.outcome == "answered", row.reason
    assert any("no natural isotopes of Tc" in warning for warning in row.warnings)


def test_temperatures_below_the_lowest_mode_of_the_mesh_are_named(tmp_path):
    row = verifier(tmp_path, SETTINGS.replace(temperatures_k=(5.0, 20.0, 300.0))).verify(COPPER)
    (warning,) = (warning for warning in row.warnings if "not to be trusted" in warning)
    assert warning.startswith("kappa at 5, 20 K")
    warm = verifier(tmp_path).verify(COPPER)
    assert not any("not to be trusted" in warning for warning in warm.warnings)


def test_an_error_of_agl_costs_the_agl_value_alone(tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise np.linalg.LinAlgError("singular")

    monkeypatch.setattr(verifier_module, "agl_of_relaxed", fail)
    row = verifier(tmp_path).verify(COPPER)
    assert row.outcome == "answered" and row.kappa_bte_w_mk > 0
    assert row.agl_w_mk is None and "singular" in row.agl_reason


def test_an_error_in_an_estimate_is_its_reason(monkeypatch):
    def fail(*_: object) -> None:
        raise RuntimeError("no mass")

    monkeypatch.setattr("kappatune.verification.api.prepare", fail)
    (found,) = iter_costs([COPPER], f"{TOY}:copper", SETTINGS)
    assert found.n_forces is None and "no mass" in found.reason
