from __future__ import annotations

import math

import numpy as np
import pytest
from ase.data import atomic_masses
from ase.units import GPa
from hypothesis import given, settings
from hypothesis import strategies as st

from kappatune.physics.debye_gruneisen import (
    BOLTZMANN_EV,
    DebyeGruneisen,
    debye_function,
    debye_temperature,
    heat_capacity_v,
    poisson_factor,
    slack_kappa,
    vibrational_energy,
    vibrational_entropy,
    vibrational_free_energy,
)
from kappatune.physics.elastic import poisson_ratio
from kappatune.physics.equation_of_state import BadCurve, fit_equation_of_state
from kappatune.structures import read_table
from tests.physics.curves import birch_murnaghan, vinet

WINDOW = np.linspace(0.86, 1.14, 15) ** 3


def solid(b0_gpa=100.0, b0p=4.5, v0=40.0, n=2, mass=60.0, ratio=0.25):
    volumes = v0 * WINDOW
    curve = fit_equation_of_state(volumes, birch_murnaghan(volumes, v0, b0_gpa * GPa, b0p))
    return DebyeGruneisen(curve, n, mass, ratio)


@settings(max_examples=40, deadline=None)
@given(
    v0=st.floats(5.0, 2000.0), b0=st.floats(1.0, 500.0), b0p=st.floats(3.0, 6.0), shift=st.floats(-0.04, 0.04),
    e0=st.floats(-500.0, 0.0), fit=st.sampled_from(["averaged", "birch-murnaghan"]),
)  # fmt: skip
def test_birch_murnaghan_comes_back(v0, b0, b0p, shift, e0, fit):
    volumes = v0 * (1 + shift) * WINDOW
    curve = fit_equation_of_state(volumes, birch_murnaghan(volumes, v0, b0 * GPa, b0p, e0), fit)
    assert curve.v0 == pytest.approx(v0, rel=1e-4)
    assert curve.bulk_modulus(v0) == pytest.approx(b0, rel=1e-3)
    assert curve.bulk_modulus_derivative(v0) == pytest.approx(b0p, rel=5e-3)
    assert curve.energy(v0) == pytest.approx(e0, abs=1e-5 * v0 * b0 * GPa + 1e-8)


def test_derivatives_of_the_curve_are_derivatives():
    curve = solid().curve
    for volume in (34.0, 40.0, 47.0):
        h = 1e-3
        above, below = curve.derivatives(volume + h), curve.derivatives(volume - h)
        assert np.allclose((above - below)[:3] / (2 * h), curve.derivatives(volume)[1:], rtol=1e-5, atol=1e-9)
    assert curve.pressure(36.0) > 0 > curve.pressure(44.0)


def test_a_lennard_jones_crystal_has_the_known_derivative():
    # E = a/V^4 - b/V^2: dB/dP = (12 + 6)/3 + 2 = 8, gamma = 8/2 - 1/6
    volumes = 20.0 * np.linspace(0.985, 1.015, 9) ** 3
    curve = fit_equation_of_state(volumes, 0.5 * (20.0 / volumes) ** 4 - (20.0 / volumes) ** 2)
    assert curve.v0 == pytest.approx(20.0, rel=1e-5)
    assert curve.bulk_modulus_derivative(20.0) == pytest.approx(8.0, rel=1e-2)
    assert DebyeGruneisen(curve, 1, 40.0, 0.25).gruneisen(20.0) == pytest.approx(4.0 - 1 / 6, rel=1e-2)


def test_the_order_of_the_points_does_not_matter():
    volumes = 40.0 * WINDOW
    energies = birch_murnaghan(volumes, 40.0, 0.6, 4.2)
    mixed = np.random.default_rng(0).permutation(len(volumes))
    one, other = fit_equation_of_state(volumes, energies), fit_equation_of_state(volumes[mixed], energies[mixed])
    assert one.v0 == pytest.approx(other.v0, rel=1e-12)


@pytest.mark.parametrize("b0p", [5.0, 6.0])
def test_strong_compression_does_not_decide_what_the_minimum_is_like(b0p):
    volumes = 0.97 * 40.0 * WINDOW
    curve = fit_equation_of_state(volumes, vinet(volumes, 40.0, 0.6, b0p))
    assert curve.v0 == pytest.approx(40.0, rel=1e-3)
    assert curve.bulk_modulus(curve.v0) == pytest.approx(0.6 / GPa, rel=0.015)
    assert curve.bulk_modulus_derivative(curve.v0) == pytest.approx(b0p, abs=0.06)


@pytest.mark.parametrize(
    ("energies", "reason"),
    [
        (lambda v: 1.0 / v, "no minimum"),
        (lambda v: np.where(v > 40, np.nan, v), "not a finite number"),
        (lambda v: -birch_murnaghan(v, 40.0, 0.6, 4.2), "no minimum"),
        (lambda v: birch_murnaghan(v, 40.0, 0.6, 4.2) + 0.3 * np.cos(9 * v), "not a smooth curve"),
    ],
)
def test_curves_that_are_none_are_named(energies, reason):
    volumes = 40.0 * WINDOW
    with pytest.raises(BadCurve, match=reason):
        fit_equation_of_state(volumes, energies(volumes))


def test_too_few_points():
    with pytest.raises(BadCurve, match="at least seven"):
        fit_equation_of_state([1.0, 2.0], [1.0, 2.0])


def test_debye_function():
    assert debye_function(1e-6) == pytest.approx(1.0, abs=1e-6)
    assert debye_function(1.0) == pytest.approx(0.674415564, rel=1e-8)  # Abramowitz and Stegun, table 27.1
    assert debye_function(200.0) == pytest.approx(math.pi**4 / 5 / 200.0**3, rel=1e-10)
    assert np.allclose(debye_function([[1.0], [2.0]]), [[debye_function(1.0)], [debye_function(2.0)]])


def test_heat_capacity_limits():
    assert heat_capacity_v(300.0, 30_000.0, 4) == pytest.approx(12 * BOLTZMANN_EV, rel=1e-4)
    cubic = 12 * math.pi**4 / 5 * 4 * BOLTZMANN_EV * (3.0 / 300.0) ** 3
    assert heat_capacity_v(300.0, 3.0, 4) == pytest.approx(cubic, rel=1e-6)
    assert heat_capacity_v(300.0, 0.0, 4) == 0.0


@settings(max_examples=30, deadline=None)
@given(theta=st.floats(50.0, 2000.0), temperature=st.floats(20.0, 1500.0))
def test_thermodynamic_identities(theta, temperature):
    h = 1e-3 * temperature
    free = [float(vibrational_free_energy(theta, temperature + k * h, 3)) for k in (-1, 0, 1)]
    energy = [float(vibrational_energy(theta, temperature + k * h, 3)) for k in (-1, 1)]
    entropy = vibrational_entropy(theta, temperature, 3)
    assert entropy == pytest.approx(-(free[2] - free[0]) / (2 * h), rel=1e-4, abs=1e-10)
    assert heat_capacity_v(theta, temperature, 3) == pytest.approx(
        (energy[1] - energy[0]) / (2 * h), rel=1e-4, abs=1e-10
    )
    assert free[1] + temperature * entropy == pytest.approx(float(vibrational_energy(theta, temperature, 3)), rel=1e-10)


def test_nothing_but_zero_point_energy_at_zero():
    assert vibrational_free_energy(400.0, 0.0, 2) == pytest.approx(2.25 * BOLTZMANN_EV * 400.0)
    assert vibrational_entropy(400.0, 0.0, 2) == 0.0
    assert vibrational_free_energy(400.0, 1.0, 2) == pytest.approx(2.25 * BOLTZMANN_EV * 400.0, rel=1e-6)


def test_poisson_factor():
    # with v_t and v_l of an isotropic solid: f = mean velocity / (B / rho)^(1/2)
    bulk, shear = 100.0, 60.0
    v_t, v_l = math.sqrt(shear), math.sqrt(bulk + 4 / 3 * shear)
    mean = (3 / (2 / v_t**3 + 1 / v_l**3)) ** (1 / 3)
    assert poisson_factor(poisson_ratio(bulk, shear)) == pytest.approx(mean / math.sqrt(bulk), rel=1e-12)
    for ratio in (-1.0, 0.5, 0.7):
        with pytest.raises(ValueError, match="must lie between"):
            poisson_factor(ratio)


def test_debye_temperature_of_silicon_and_its_invariance():
    # elastic constants of Hall, Phys. Rev. 161, 756 (1967) give 645 K
    theta = debye_temperature(97.8, 40.05, 2 * 28.0855, 2, 0.223)
    assert theta == pytest.approx(645.0, rel=0.01)
    assert debye_temperature(97.8, 40.05 * 4, 8 * 28.0855, 8, 0.223) == pytest.approx(theta)


def test_gruneisen_is_the_logarithmic_derivative_of_theta():
    model = solid()
    for volume in (38.0, 40.0, 44.0):
        slope = (np.log(model.theta(volume * 1.0001)) - np.log(model.theta(volume / 1.0001))) / (2 * np.log(1.0001))
        assert model.gruneisen(volume) == pytest.approx(-float(slope), rel=1e-6)


@pytest.mark.parametrize("temperature", [0.0, 77.0, 300.0, 900.0])
def test_equilibrium_is_a_minimum_of_the_free_energy(temperature):
    model = solid()
    volume = model.equilibrium_volume(temperature)
    assert volume > model.curve.v0
    nearby = model.free_energy(volume * np.linspace(0.99, 1.01, 21), temperature)
    assert nearby.argmin() == 10
    h = 1e-4 * volume
    slope = (model.free_energy(volume + h, temperature) - model.free_energy(volume - h, temperature)) / (2 * h)
    assert abs(float(slope)) < 1e-7
    assert model.slope(0.95 * volume, temperature) == pytest.approx(
        float(model.free_energy(0.95 * volume + h, temperature) - model.free_energy(0.95 * volume - h, temperature))
        / (2 * h),
        rel=1e-4,
    )


def test_expansion_heat_capacities_and_moduli_are_consistent():
    model = solid()
    at = model.state(400.0)
    grown = math.log(model.equilibrium_volume(401.0) / model.equilibrium_volume(399.0)) / 2.0
    assert at.thermal_expansion == pytest.approx(grown, rel=1e-3)
    difference = at.thermal_expansion**2 * at.bulk_modulus_isothermal_gpa * GPa * at.volume * 400.0
    assert at.heat_capacity_p - at.heat_capacity_v == pytest.approx(difference, rel=1e-6)
    ratio = at.bulk_modulus_adiabatic_gpa / at.bulk_modulus_isothermal_gpa
    assert ratio == pytest.approx(at.heat_capacity_p / at.heat_capacity_v)
    # Maxwell: (dS/dV)_T = (dP/dT)_V
    v, h = at.volume, 1e-3
    less, more = (vibrational_entropy(float(model.theta(v + k * h)), 400.0, 2) for k in (-1, 1))
    ds = (more - less) / (2 * h)
    dp = -(float(model.slope(v, 400.5)) - float(model.slope(v, 399.5)))
    assert ds == pytest.approx(dp, rel=1e-4)


def test_hot_soft_crystals_have_no_equilibrium():
    with pytest.raises(BadCurve, match="no equilibrium: at 3000 K"):
        solid(b0_gpa=8.0, b0p=7.0).state(3000.0)


def test_kappa_falls_as_one_over_temperature_and_needs_a_sane_gamma():
    model = solid()
    at = model.state(300.0)
    kappa = slack_kappa(at, 60.0, 2, np.array([150.0, 300.0, 600.0]))
    assert kappa[0] / kappa[1] == pytest.approx(2.0) and kappa[1] / kappa[2] == pytest.approx(2.0)
    odd = DebyeGruneisen(solid(b0p=1.2).curve, 2, 60.0, 0.25)
    with pytest.raises(BadCurve, match="Grüneisen parameter is 0"):
        slack_kappa(odd.state(300.0), 60.0, 2, np.array([300.0]))


def test_kappa_does_not_depend_on_how_the_curve_counts_atoms():
    one, two = solid(), solid(v0=80.0, n=4, mass=120.0)
    assert two.state(300.0).debye_temperature_k == pytest.approx(one.state(300.0).debye_temperature_k, rel=1e-9)
    assert two.state(300.0).heat_capacity_v == pytest.approx(2 * one.state(300.0).heat_capacity_v, rel=1e-9)


@pytest.mark.shared
def test_aflow_theta_from_its_moduli(shared_data):
    rows = read_table(shared_data / "aflow_agl.parquet").rows
    masses, ratios = np.array(atomic_masses), []
    for row in rows:
        p = row.properties
        bulk, shear = p.get("ael_bulk_modulus_vrh") or np.nan, p.get("ael_shear_modulus_vrh") or np.nan
        ratio = poisson_ratio(bulk, shear)
        if not -1 < ratio < 0.5 or not p.get("agl_bulk_modulus_static_300K"):
            continue
        c = row.crystal
        mass = float(masses[c.numbers].sum())
        theta = debye_temperature(p["agl_bulk_modulus_static_300K"], c.volume, mass, c.n_atoms, ratio)
        ratios.append(float(theta) / p["agl_debye"])
    assert np.mean(np.abs(np.array(ratios) - 1) < 0.02) > 0.8
