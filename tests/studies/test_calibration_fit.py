"""The calibration of potentials on made-up crystals whose errors are known."""

from __future__ import annotations

import numpy as np
import pytest

from kappatune.verification.calibration import shipped_calibrations
from studies.phonons.calibration import family, stored_values
from studies.phonons.calibration_draw import cheapest_first
from studies.phonons.calibration_fit import (
    Points,
    by_thirds,
    combine,
    correlation,
    fit_bias,
    fit_half_width,
    form_errors,
    judge,
)
from studies.store import load_result


def made_up(
    n: int, *, bias: float = 0.4, slope: float = 0.0, sd: float = 0.5, rho: float = 0.0, each: int = 1, seed: int = 0
) -> Points:
    """n formulas, `each` time the same crystal; the model errs by 0.6 in ln kappa and says so."""
    rng = np.random.default_rng(seed)
    ln_kappa = rng.normal(1.5, 1.2, n)
    noise = rng.multivariate_normal([0.0, 0.0], [[1.0, rho], [rho, 1.0]], n) * [0.6, sd]
    ln_dft = ln_kappa + bias + slope * (ln_kappa - 1.5) + noise[:, 1]
    points = Points(
        formulas=np.array([f"A{k}" for k in range(n)]),
        ln_kappa=ln_kappa,
        ln_dft=ln_dft,
        ln_predicted=ln_dft - noise[:, 0],
        sd_predicted=np.full(n, 0.6),
        softness=rng.normal(5.0, 0.4, n),
        family=rng.choice(["oxide", "halide"], n),
    )
    return points[np.repeat(np.arange(n), each)]


def test_few_values_say_less_of_the_bias_than_many():
    few, many = fit_bias(made_up(5, sd=1.0)).bias, fit_bias(made_up(400, sd=1.0)).bias
    assert many == pytest.approx(0.4, abs=0.1)
    mean = made_up(5, sd=1.0).error.mean()
    assert abs(few) < 0.9 * abs(mean) and few * mean > 0


def test_a_bias_depends_on_kappa_only_where_that_helps():
    assert fit_bias(made_up(100)).slope == 0.0
    assert fit_bias(made_up(100, slope=0.3)).slope == pytest.approx(0.3, abs=0.1)
    forms = form_errors(made_up(100, slope=0.3))
    assert forms["of κ"] < 0.95 * forms["constant"] < forms["none"]


@pytest.mark.parametrize("n", [12, 120])
def test_ranges_hold_nine_in_ten_of_formulas_that_were_left_out(n):
    held = np.concatenate([judge(made_up(n, seed=seed)).held for seed in range(240 // n)])
    assert 0.84 <= held.mean() <= 0.97
    assert fit_half_width(made_up(120)) == pytest.approx(1.645 * 0.5, rel=0.25)


def test_several_values_of_one_formula_are_left_out_together():
    alone, repeated = made_up(15, sd=1.0), made_up(15, sd=1.0, each=4)
    assert fit_half_width(repeated) > 0.9 * fit_half_width(alone)
    judged = judge(repeated)
    np.testing.assert_allclose(judged.remains[::4], judged.remains[1::4])


def test_the_best_estimate_is_better_than_either_and_its_interval_narrower():
    points = made_up(120)
    judged = judge(points)
    best = combine(points, judged)
    rms = [np.sqrt(np.mean(e**2)) for e in (best.error, judged.remains, points.ln_dft - points.ln_predicted)]
    assert rms[0] < 0.85 * min(rms[1:])
    assert np.median(best.factor * best.sd) < min(np.median(judged.half_width), 1.645 * 0.6)
    assert 0.84 <= best.held.mean() <= 0.97 and abs(best.correlation) < 0.2
    assert np.mean(np.abs(best.disagreement) > 2) < 0.1


def test_errors_that_go_together_are_found_and_gain_less():
    points = made_up(120, rho=0.8)
    best = combine(points, judge(points))
    assert best.correlation == pytest.approx(0.8, abs=0.15)
    apart = made_up(120)
    assert np.mean(best.error**2) > 1.2 * np.mean(combine(apart, judge(apart)).error ** 2)


def test_a_correlation_of_few_values_is_drawn_to_zero():
    errors = np.array([1.0, -0.5, 0.3])
    assert correlation(errors, 2 * errors) == pytest.approx(3 / 13)
    assert correlation(errors, np.zeros(3)) == 0.0


def test_thirds_are_those_of_the_dft_values():
    held = np.array([True] * 10 + [False] * 10 + [True] * 10)
    order = np.random.default_rng(0).permutation(30)
    assert by_thirds(held[order], np.arange(30.0)[order]) == [1.0, 0.0, 1.0]
    assert by_thirds(held[:29], np.arange(29.0)) is None


def test_the_cheapest_of_ten_crystals_comes_first():
    costs = [5, 3, 9, 1, 7, 2, 8, 4, 6, 0, 11, 10]
    assert cheapest_first(costs, 1) == [9, 3, 5, 1, 7, 0, 8, 4, 6, 2, 11, 10]
    assert cheapest_first(costs, 2) == [0, 8, 4, 6, 2, 10]


def test_what_verify_reads_is_what_is_stored():
    stored = [one["calibration"] for one in load_result("calibration")["sets"].values() if "calibration" in one]
    assert [one.model_dump(mode="json") for one in shipped_calibrations().calibrations] == stored


def test_the_stored_values_are_ours_and_each_counts_once():
    values = stored_values()
    names = [value.name for value in values]
    assert len(set(names)) == len(names)
    assert {value.outcome == "answered" for value in values if value.kappa_w_mk} == {True}
    of_l96 = [value for value in values if value.source == "l96"]
    assert len(of_l96) >= 27 and sum(value.outcome == "imaginary modes" for value in of_l96) >= 2


@pytest.mark.parametrize(
    ("formula", "kind"),
    [
        ("NaCl", "halide"),
        ("BiOF", "halide"),
        ("MgO", "oxide"),
        ("ZnS", "chalcogenide"),
        ("GaN", "pnictide"),
        ("Si", "other"),
    ],
)
def test_a_family_is_that_of_the_most_electronegative_element(formula, kind):
    assert family(formula) == kind
