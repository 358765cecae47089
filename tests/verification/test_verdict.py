from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kappatune.potentials import Potential
from kappatune.verification.verdict import POTENTIAL_ACCURACY, PotentialAccuracy, assess


def named(name: str) -> Potential:
    return Potential(name, "", None)


def test_bias_and_error_are_given_as_factors():
    assert PotentialAccuracy(0.0, 0.0).bias_factor == 1.0 and PotentialAccuracy(0.0, 0.0).error_factor == 1.0
    assert PotentialAccuracy(-2 / 3, 2 / 3).bias_factor == pytest.approx(0.5)
    assert PotentialAccuracy(-2 / 3, 2 / 3).error_factor == pytest.approx(2.0)
    assert 1 / POTENTIAL_ACCURACY["CHGNet"].bias_factor == pytest.approx(12.3, abs=0.1)


@given(st.floats(0.1, 1000.0))
def test_the_range_holds_the_value_without_its_bias(kappa):
    assessment = assess(kappa, named("SevenNet-l3i5"), (kappa, kappa), kappa)
    bias, error = POTENTIAL_ACCURACY["SevenNet-l3i5"].bias_factor, POTENTIAL_ACCURACY["SevenNet-l3i5"].error_factor
    assert assessment.lower == pytest.approx(kappa / bias / error) and assessment.upper == pytest.approx(
        kappa / bias * error
    )
    assert assessment.verdict == "agrees" and assessment.agl_agrees is True


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
def test_the_verdict_follows_the_rule(interval, verdict):
    assessment = assess(10.0, named("SevenNet-0"), interval, 1000.0)
    assert 7.0 < assessment.lower < 8.0 and 39.0 < assessment.upper < 40.0
    assert assessment.verdict == verdict
    assert assessment.agl_agrees is False


@pytest.mark.parametrize("name", ["CHGNet", "EMT"])
def test_a_potential_of_low_or_unknown_accuracy_gives_no_verdict(name):
    assessment = assess(10.0, named(name), (9.0, 11.0), 10.0)
    assert assessment.verdict == "not judged" and name in assessment.because
    assert assessment.lower is assessment.upper is assessment.agl_agrees is None
