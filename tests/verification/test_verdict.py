from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kappatune.potentials.base import Potential
from kappatune.verification.verdict import STANDINGS, Standing, judge


def named(name: str) -> Potential:
    return Potential(name, "", None)


def test_bias_and_error_as_factors():
    assert Standing(0.0, 0.0).bias_factor == 1.0 and Standing(0.0, 0.0).error_factor == 1.0
    assert Standing(-2 / 3, 2 / 3).bias_factor == pytest.approx(0.5)
    assert Standing(-2 / 3, 2 / 3).error_factor == pytest.approx(2.0)
    assert 1 / STANDINGS["CHGNet"].bias_factor == pytest.approx(12.3, abs=0.1)


@given(st.floats(0.1, 1000.0))
def test_the_range_holds_the_value_without_its_bias(kappa):
    said = judge(kappa, named("SevenNet-l3i5"), (kappa, kappa), kappa)
    bias, error = STANDINGS["SevenNet-l3i5"].bias_factor, STANDINGS["SevenNet-l3i5"].error_factor
    assert said.lower == pytest.approx(kappa / bias / error) and said.upper == pytest.approx(kappa / bias * error)
    assert said.verdict == "agrees" and said.agl_agrees is True


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((1.0, 2.0), "prediction too low"),
        ((500.0, 900.0), "prediction too high"),
        ((1.0, 500.0), "agrees"),
        ((20.0, 21.0), "agrees"),
        (None, "not judged"),
    ],
)
def test_the_rule(interval, verdict):
    said = judge(10.0, named("SevenNet-0"), interval, 1000.0)
    assert 7.0 < said.lower < 8.0 and 39.0 < said.upper < 40.0
    assert said.verdict == verdict
    assert said.agl_agrees is False


@pytest.mark.parametrize("name", ["CHGNet", "EMT"])
def test_some_potentials_are_no_judges(name):
    said = judge(10.0, named(name), (9.0, 11.0), 10.0)
    assert said.verdict == "not judged" and name in said.because
    assert said.lower is said.upper is said.agl_agrees is None
