from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kappatune.verification.best_estimate import Measurement, best_estimate

measurements = st.builds(Measurement, st.floats(-2, 6), st.floats(0.05, 3))
correlations = st.floats(-0.9, 0.9)


def test_two_equally_good_values_meet_in_the_geometric_mean():
    found = best_estimate(Measurement(math.log(4.0), 0.5), Measurement(math.log(9.0), 0.5), 0.0)
    assert math.exp(found.combined.ln_kappa) == pytest.approx(6.0) and found.weight == pytest.approx(0.5)
    assert found.disagreement == pytest.approx(-math.log(9 / 4) / (0.5 * math.sqrt(2)))
    near = best_estimate(Measurement(1.0, 0.5), Measurement(1.1, 0.5), 0.0)
    assert near.combined.sd_ln == pytest.approx(0.5 / math.sqrt(2))


@given(measurements, measurements, correlations)
def test_the_best_estimate_lies_between_and_does_not_depend_on_the_order(first, second, correlation):
    found, other = best_estimate(first, second, correlation), best_estimate(second, first, correlation)
    low, high = sorted((first.ln_kappa, second.ln_kappa))
    assert low - 1e-9 <= found.combined.ln_kappa <= high + 1e-9
    assert found.combined.ln_kappa == pytest.approx(other.combined.ln_kappa)
    assert found.combined.sd_ln == pytest.approx(other.combined.sd_ln)
    assert found.disagreement == pytest.approx(-other.disagreement)
    if abs(found.disagreement) <= 1:
        assert found.combined.sd_ln <= min(first.sd_ln, second.sd_ln) * (1 + 1e-9)


@given(measurements, measurements, correlations)
def test_the_error_grows_with_the_disagreement(first, second, correlation):
    found = best_estimate(first, second, correlation)
    farther = best_estimate(first._replace(ln_kappa=first.ln_kappa + 20.0), second, correlation)
    assert farther.combined.sd_ln > found.combined.sd_ln


def test_a_much_worse_value_that_errs_with_the_other_gets_no_weight():
    found = best_estimate(Measurement(2.0, 0.3), Measurement(2.2, 1.5), 0.9)
    assert found.weight == 1.0 and found.combined.ln_kappa == 2.0


def test_the_weights_give_the_smallest_error():
    rng = np.random.default_rng(0)
    covariance = np.array([[0.4**2, 0.3 * 0.4 * 0.7], [0.3 * 0.4 * 0.7, 0.7**2]])
    errors = rng.multivariate_normal([0.0, 0.0], covariance, 20_000)
    weight = best_estimate(Measurement(0.0, 0.4), Measurement(0.0, 0.7), 0.3).weight
    found = (errors @ [weight, 1 - weight]).std()
    others = [(errors @ [w, 1 - w]).std() for w in (0.0, 0.5, 0.99, weight - 0.1, weight + 0.1)]
    assert found < min(others)
    assert best_estimate(Measurement(0.0, 0.4), Measurement(0.0, 0.7), 0.3).combined.sd_ln == pytest.approx(
        found, rel=0.02
    )


def test_an_interval_of_nine_in_ten_and_back():
    measurement = Measurement.of_interval(10.0, 5.0, 20.0)
    assert measurement.interval() == pytest.approx((5.0, 20.0))
    assert measurement.sd_ln == pytest.approx(math.log(2) / 1.645)
