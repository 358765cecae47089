"""The conductivity of a glass of the same atoms."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.constants import hbar, k
from scipy.integrate import quad

from kappatune.physics.amorphous_limit import amorphous_limit, classical_limit


def by_velocity(theta: float, volume: float, temperature: float) -> float:
    """The formula as Cahill, Watson and Pohl write it, with three equal velocities."""
    density = 1e30 / volume
    velocity = k * theta / hbar / (6 * math.pi**2 * density) ** (1 / 3)
    integral, _ = quad(lambda x: x**3 * math.exp(-x) / (1 - math.exp(-x)) ** 2, 1e-9, min(theta / temperature, 600.0))
    per_branch = (math.pi / 6) ** (1 / 3) * k * density ** (2 / 3) * velocity * (temperature / theta) ** 2 * integral
    return 3 * per_branch


@given(theta=st.floats(30, 2500), volume=st.floats(4, 80), temperature=st.floats(20, 3000))
def test_it_is_the_published_formula(theta, volume, temperature):
    expected = by_velocity(theta, volume, temperature)
    assert amorphous_limit(theta, volume, temperature) == pytest.approx(expected, rel=2e-4)


@given(theta=st.floats(30, 2500), volume=st.floats(4, 80), temperature=st.floats(20, 3000))
def test_it_rises_to_the_classical_limit(theta, volume, temperature):
    top = classical_limit(theta, volume)
    assert 0 < amorphous_limit(theta, volume, temperature) < amorphous_limit(theta, volume, 2 * temperature) < top
    assert amorphous_limit(theta, volume, 1e6) == pytest.approx(top, rel=1e-4)


def test_amorphous_silicon_has_about_one_watt_per_metre_and_kelvin():
    """Measured and calculated values lie between 0.9 and 1.5 W/(m K); theta is that of crystalline silicon."""
    assert 0.8 < amorphous_limit(625.0, 20.0, 300.0) < 1.2
