from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.lj import LennardJones

from kappatune.calculations.agl import agl_of_crystal
from kappatune.calculations.agl_settings import AglSettings
from kappatune.calculations.network_moduli import UnknownModuli
from kappatune.calculations.relaxation import NotConverged
from kappatune.errors import UserError
from kappatune.physics.elastic import BadElasticity
from kappatune.physics.equation_of_state import BadCurve
from kappatune.potentials import EvaluationError, Potential, load_potential
from kappatune.structures import BadCrystal, Crystal
from tests import toy_potentials as toy
from tests.builders import supercell, zincblende

TOY = Path(toy.__file__)
SETTINGS = AglSettings(window=0.06, strain=0.002, displacement=0.005)
SILICON = zincblende(14, 14, 5.431, "Si")


def potential(name: str) -> Potential:
    return load_potential(f"{TOY}:{name}")


@pytest.fixture(scope="module")
def silicon():
    return agl_of_crystal(SILICON, potential("silicon"), SETTINGS)


def test_everything_hangs_together(silicon):
    assert silicon.reason is None and silicon.formula == "Si" and silicon.space_group == 227
    assert silicon.static_bulk_modulus_gpa == pytest.approx(97.7, rel=0.01)
    assert silicon.bulk_modulus_gpa < silicon.static_bulk_modulus_gpa
    assert silicon.elastic_bulk_modulus_gpa == pytest.approx(silicon.static_bulk_modulus_gpa, rel=0.01)
    assert silicon.acoustic_debye_temperature_k == pytest.approx(silicon.debye_temperature_k / 2 ** (1 / 3))
    assert silicon.kappa_by_temperature_w_mk[silicon.temperatures_k.index(300.0)] == pytest.approx(silicon.kappa_w_mk)
    assert 0 < silicon.heat_capacity_v < silicon.heat_capacity_p < 6.2
    assert silicon.volume_a3 > silicon.static_volume_a3
    assert silicon.energy_per_atom_ev == pytest.approx(-4.63, abs=0.01)
    assert "Tersoff" in silicon.potential and "toy_potentials.py" in silicon.potential
    assert np.array(silicon.stiffness_gpa).shape == (6, 6)


@pytest.mark.parametrize(
    "other",
    [
        supercell(SILICON, (2, 1, 1)),
        Crystal.from_ase(bulk("Si", "diamond", 5.431, cubic=True)[[3, 0, 7, 1, 6, 2, 5, 4]]),
        zincblende(14, 14, 5.30),
    ],
    ids=["supercell", "conventional cell, shuffled", "another start"],
)
def test_any_description_of_the_crystal_gives_the_same(silicon, other):
    result = agl_of_crystal(other, potential("silicon"), SETTINGS)
    assert result.n_atoms == 2
    assert result.kappa_w_mk == pytest.approx(silicon.kappa_w_mk, rel=5e-3)
    assert result.debye_temperature_k == pytest.approx(silicon.debye_temperature_k, rel=2e-3)


def test_a_given_poisson_ratio_spares_the_elastic_constants(silicon):
    settings = AglSettings(window=0.06, poisson=silicon.poisson_ratio)
    result = agl_of_crystal(SILICON, potential("silicon"), settings)
    assert result.shear_modulus_gpa is None and result.stiffness_gpa is None
    assert result.kappa_w_mk == pytest.approx(silicon.kappa_w_mk, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "crystal", "error", "reason"),
    [
        ("repulsive", SILICON, NotConverged, "changed the volume by a factor"),
        ("exploding", SILICON, EvaluationError, "the potential explodes: an energy of nan"),
        ("liquid", SILICON, BadElasticity, "mechanically unstable"),
        ("stiff_lennard_jones", Crystal.from_ase(bulk("Ar", "sc", 2.7)), BadElasticity, "mechanically unstable"),
        ("copper", SILICON, EvaluationError, "cannot evaluate this crystal|fails in the relaxation"),
        ("silicon", zincblende(14, 14, 0.3), BadCrystal, "per atom"),
    ],
)
def test_failures_have_names(name, crystal, error, reason):
    with pytest.raises(error, match=reason):
        agl_of_crystal(crystal, potential(name), SETTINGS)


def test_a_cap_on_steps():
    with pytest.raises(NotConverged, match="after 1 steps"):
        agl_of_crystal(zincblende(14, 14, 5.1), potential("silicon"), AglSettings(max_steps=1))


def test_no_equilibrium_when_hot():
    with pytest.raises(BadCurve, match="no equilibrium: at 300 K"):
        agl_of_crystal(Crystal.from_ase(bulk("Ar", "fcc", 5.26)), potential("argon"), SETTINGS)


@pytest.mark.parametrize(
    "wrong",
    [{"poisson": 0.5}, {"temperatures_k": ()}, {"temperatures_k": (0.0,)}, {"n_volumes": 5}, {"window": 0.0}],
)
def test_settings_out_of_range(wrong):
    with pytest.raises(UserError):
        AglSettings(**wrong)


def soft(factory: str) -> Potential:
    made = potential(factory)
    made.soft_in_shear = True
    return made


def test_a_potential_that_is_soft_in_shear_gets_its_poisson_ratio_from_the_networks(silicon):
    result = agl_of_crystal(SILICON, soft("silicon"), SETTINGS)
    assert "MEGNet" in result.poisson_source and "Tersoff" in silicon.poisson_source
    assert result.poisson_ratio == pytest.approx(0.22, abs=0.04)  # measured: 0.218
    assert result.elastic_poisson_ratio == pytest.approx(silicon.poisson_ratio)
    assert result.shear_modulus_gpa == pytest.approx(silicon.shear_modulus_gpa)
    own = agl_of_crystal(SILICON, soft("silicon"), SETTINGS.replace(poisson="elastic"))
    assert own.kappa_w_mk == pytest.approx(silicon.kappa_w_mk)
    asked = agl_of_crystal(SILICON, potential("silicon"), SETTINGS.replace(poisson="network"))
    assert asked.kappa_w_mk == pytest.approx(result.kappa_w_mk) and asked.stiffness_gpa is None


def test_only_where_the_ratio_needs_it_does_instability_cost_the_answer():
    crystal = Crystal.from_ase(bulk("Ar", "sc", 2.7))
    result = agl_of_crystal(crystal, soft("stiff_lennard_jones"), SETTINGS)
    assert result.kappa_w_mk > 0 and any("mechanically unstable" in w for w in result.warnings)
    for careful in (potential("stiff_lennard_jones"), soft("stiff_lennard_jones")):
        with pytest.raises(BadElasticity, match="mechanically unstable"):
            agl_of_crystal(crystal, careful, SETTINGS.replace(poisson="elastic"))


def test_a_crystal_the_networks_cannot_judge_keeps_the_potentials_own_ratio():
    wide = Potential("wide", "", LennardJones(sigma=3.9, epsilon=0.2, rc=12.0), soft_in_shear=True)
    crystal = Crystal.from_ase(bulk("Kr", "fcc", 6.0))
    result = agl_of_crystal(crystal, wide, SETTINGS)
    assert result.poisson_ratio == result.elastic_poisson_ratio
    assert any("no neighbour" in warning for warning in result.warnings)
    with pytest.raises(UnknownModuli, match="no neighbour"):
        agl_of_crystal(crystal, wide, SETTINGS.replace(poisson="network"))
