from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kappatune.model.prediction import Prediction
from kappatune.potentials import Potential
from kappatune.verification import VerifySettings
from kappatune.verification.calibration import Calibrations
from kappatune.verification.verdict import Assessment, assess
from tests.verification.calibrations import calibrated

QUICK = VerifySettings.of("quick", wigner=True)


def predicted(kappa: float = 10.0, factor: float = 2.0, interval: str | None = "calibrated") -> Prediction:
    return Prediction(id="x", kappa_w_mk=kappa, lower_w_mk=kappa / factor, upper_w_mk=kappa * factor, interval=interval)


def assessed(kappa: float, prediction: Prediction | None, agl: float | None = None, **settings: object) -> Assessment:
    calibrations = Calibrations(date="2026-11-26", model="accurate", calibrations=(calibrated(),))
    return assess(kappa, Potential("EMT", "", None), QUICK.replace(**settings), calibrations, prediction, agl)


@given(st.floats(0.1, 1000.0))
def test_the_bias_is_taken_off_and_the_range_lies_around_it(kappa):
    found = assessed(kappa, None, 2 * kappa)
    centre = 1.5 * kappa  # the calibration here
    assert found.likely_lower_w_mk == pytest.approx(centre / 3) and found.likely_upper_w_mk == pytest.approx(centre * 3)
    assert found.kappa_best_w_mk == pytest.approx(centre) and found.agl_agrees is True
    assert found.verdict == "not judged" and "no prediction" in found.because and found.disagreement_sd is None


@pytest.mark.parametrize(
    ("kappa", "verdict"),
    [(10.0, "agrees"), (5.0, "agrees"), (1.0, "prediction too high"), (60.0, "prediction too low")],
)
def test_the_verdict_follows_the_rule(kappa, verdict):
    found = assessed(kappa, predicted(), 1e4)
    assert found.verdict == verdict and found.agl_agrees is False
    assert (abs(found.disagreement_sd) <= 2) == (verdict == "agrees")
    assert f"{abs(found.disagreement_sd):.1f} standard deviations" in found.because and "12 crystals" in found.because
    assert found.best_lower_w_mk < found.kappa_best_w_mk < found.best_upper_w_mk
    low, high = sorted((10.0, 1.5 * kappa))
    assert low <= found.kappa_best_w_mk <= high


def test_two_values_that_agree_give_a_narrower_interval_than_either():
    found = assessed(10.0 / 1.5, predicted())
    assert found.kappa_best_w_mk == pytest.approx(10.0)
    assert found.best_upper_w_mk / found.best_lower_w_mk < 2.0**2 < 3.0**2


def test_the_nearer_of_two_values_counts_for_more():
    assert assessed(20.0, predicted(factor=1.2)).kappa_best_w_mk == pytest.approx(10.0, rel=0.15)
    assert assessed(20.0, predicted(factor=30.0)).kappa_best_w_mk == pytest.approx(30.0, rel=0.15)


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [({}, "--quality standard"), ({"max_atoms": 120, "max_harmonic_atoms": 220}, "--calculator")],
)
def test_where_the_two_contradict_each_other_the_verdict_says_what_to_do(settings, remedy):
    assert remedy in assessed(200.0, predicted(), **settings).because


def test_a_second_potential_is_another_one():
    for name, other in (("SevenNet-0", "nequix"), ("nequix-mp-1-pft", "sevennet")):
        shipped = Calibrations(
            date="2026-11-26", model="accurate", calibrations=(calibrated(potential=name, quality="standard"),)
        )
        settings = VerifySettings.of("standard", wigner=True)
        found = assess(200.0, Potential(name, "", None), settings, shipped, predicted(), None)
        assert f"(`--calculator {other}`)" in found.because


def test_where_coherences_may_be_missing_the_verdict_says_so():
    calibrations = Calibrations(date="2026-11-26", model="accurate", calibrations=(calibrated(coherences=False),))
    settings = VerifySettings.of("standard")
    found = assess(0.05, Potential("EMT", "", None), settings, calibrations, predicted(1.0), None)
    assert found.verdict == "prediction too high" and "--wigner" in found.because


@pytest.mark.parametrize("interval", ["not calibrated", None])
def test_an_interval_that_is_not_calibrated_is_not_weighed(interval):
    found = assessed(10.0, predicted(interval=interval))
    assert found.verdict == "not judged" and found.kappa_best_w_mk == pytest.approx(15.0)


def test_a_potential_that_is_not_calibrated_gives_no_verdict_and_no_best_estimate():
    shipped = Calibrations(date="2026-11-26", model="accurate", calibrations=())
    found = assess(10.0, Potential("CHGNet", "", None), QUICK, shipped, predicted(), 10.0)
    assert found.verdict == "not judged" and "CHGNet" in found.because and "fetch nequix" in found.because
    assert found.kappa_best_w_mk is found.likely_lower_w_mk is found.agl_agrees is None


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"max_atoms": 8, "max_harmonic_atoms": 8}, "max_atoms"),
        ({"pair_cutoff": 2.5}, "pair_cutoff"),
        ({"isotopes": False}, "isotopes"),
    ],
)
def test_a_value_computed_with_less_than_was_calibrated_is_not_judged(settings, named):
    found = assessed(10.0, predicted(), **settings)
    assert found.verdict == "not judged" and named in found.because and found.kappa_best_w_mk is None
    assert assessed(10.0, predicted(), mesh_length=40.0, max_refinements=5).verdict == "agrees"


def test_a_value_of_small_grains_is_not_compared_with_the_prediction_of_a_large_crystal():
    found = assessed(10.0, predicted(), boundary_nm=100.0)
    assert found.verdict == "not judged" and "boundaries" in found.because and found.kappa_best_w_mk is None
