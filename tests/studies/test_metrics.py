from __future__ import annotations

import numpy as np
import pytest

from studies.transfer.metrics import bootstrap, compare, measure

FORMULAS = np.array([f"A{k}" for k in range(40)])
TRUTH = np.geomspace(0.5, 500.0, 40)


def test_perfect_predictions():
    metrics = measure(TRUTH, TRUTH, FORMULAS)
    assert metrics.mean_abs_log10 == metrics.mape == metrics.mae_w_mk == 0.0
    assert metrics.median_factor == metrics.r2_log == metrics.spearman == metrics.precision_low == 1.0
    assert metrics.enrichment_lowest == pytest.approx(20.0)


def test_a_constant_factor_is_a_bias_and_no_change_of_rank():
    metrics = measure(TRUTH, 3.0 * TRUTH, FORMULAS)
    assert metrics.mean_abs_log10 == pytest.approx(np.log10(3.0)) == metrics.mean_signed_log10
    assert metrics.median_factor == pytest.approx(3.0)
    assert metrics.mape == pytest.approx(2.0)
    assert metrics.spearman == 1.0


def test_what_is_not_defined_is_null():
    metrics = measure(np.array([5.0, 6.0]), np.array([5.0, 5.0]), FORMULAS[:2])
    assert metrics.spearman is None and metrics.r2_log is None
    assert metrics.precision_low is None and metrics.enrichment_lowest is None


def test_bootstrap_draws_formulas_not_rows():
    values = np.repeat([0.0, 1.0], 50)
    few = bootstrap(values, np.repeat(["A", "B"], 50))
    many = bootstrap(values, np.arange(100).astype(str))
    assert few == (0.0, 1.0)
    assert 0.38 < many[0] < many[1] < 0.62


def test_paired_test_sees_a_gain_and_its_absence():
    rng = np.random.default_rng(0)
    errors = rng.gamma(2.0, 0.1, 40)
    better = compare(errors + 0.05 + 0.02 * rng.random(40), errors, FORMULAS)
    assert better.gain == pytest.approx(0.06, abs=0.005) and better.p_value < 1e-6
    assert better.gain_interval[0] > 0.05
    same = compare(errors, errors, FORMULAS)
    assert same.gain == 0.0 and same.p_value == 1.0
