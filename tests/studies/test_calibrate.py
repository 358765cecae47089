from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kappatune.model.intervals import IntervalCalibration
from studies.transfer.calibrate import NamedErrors, calibrate, coverage_of, cross_coverage, together
from studies.transfer.evaluations import EvaluationKey, EvaluationStore, Predictions
from studies.transfer.intervals import calibrations_of


def made_up(n: int, seed: int, shift: float = 0.0, outside: float = 0.0, worse: float = 1.0) -> NamedErrors:
    """Errors three times as large as their spread; outside the domain they are larger still. A formula each."""
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0.1, 0.5, n)
    apart = rng.random(n) < outside
    error = shift + 3.0 * np.where(apart, worse, 1.0) * spread * rng.standard_normal(n)
    names = np.array([f"{seed}-{k}" for k in range(n)])
    return NamedErrors(error, spread, apart, names, names)


def test_fresh_crystals_are_covered():
    calibration = calibrate(made_up(500, 0), [], date="2026-01-01")
    assert coverage_of(calibration, made_up(5000, 1)) == pytest.approx(0.9, abs=0.03)
    assert coverage_of(calibration, made_up(5000, 2, shift=3.0)) < 0.3
    assert calibration.factor_outside is None


def test_widths_follow_the_spread_and_not_below_the_floor():
    calibration = IntervalCalibration(level=0.9, factor=2.0, factor_outside=5.0, floor_ln=0.3, n=10, date="2026-01-01")
    spread, outside = np.array([0.0, 0.4, 0.4]), np.array([False, False, True])
    assert calibration.half_width(spread, outside) == pytest.approx([0.6, 1.0, 2.5])


def test_both_zones_are_covered_though_one_is_worse():
    calibration = calibrate(made_up(1000, 3, outside=0.2, worse=4.0), [], date="2026-01-01")
    fresh = made_up(5000, 4, outside=0.5, worse=4.0)
    for zone in (fresh[fresh.outside], fresh[~fresh.outside]):
        assert coverage_of(calibration, zone) == pytest.approx(0.9, abs=0.04)


def test_kinds_left_out_widen_intervals_outside_alone_and_count_the_same():
    near = made_up(500, 5, outside=0.1)
    many, few = made_up(1000, 6, outside=1.0), made_up(40, 7, outside=1.0, worse=10.0)
    plain, wider = (calibrate(near, far, date="2026-01-01") for far in ([], [many, few]))
    assert wider.factor == plain.factor and wider.factor_outside > 2 * plain.factor_outside
    assert coverage_of(wider, few) > coverage_of(plain, few) + 0.2


def test_informative_spread_gives_narrower_intervals():
    known = made_up(2000, 3)
    blind = replace(known, spread=np.full(2000, 0.3))
    told, untold = (cross_coverage(e, [], np.ones(2000), ["x"] * 2000) for e in (known, blind))
    assert told.coverage == pytest.approx(0.9, abs=0.02) == untold.coverage
    assert told.miscalibration_area < 0.03
    assert told.median_factor < untold.median_factor


def test_coverage_is_reported_by_third_family_and_zone():
    errors = made_up(300, 4, outside=0.2, worse=3.0)
    kappa = np.geomspace(1, 100, 300)
    errors.error[kappa > 20] *= 3
    coverage = cross_coverage(errors, [], kappa, ["a"] * 290 + ["b"] * 10)
    assert coverage.by_third[2] < coverage.by_third[0]
    assert set(coverage.by_family) == {"a"}
    assert coverage.n == coverage.n_predictions == 300 and coverage.n_outside == errors.outside.sum()
    assert coverage.outside == pytest.approx(errors.outside.mean()) and coverage.median_error_ratio > 1.5
    inside, outside = coverage.inside_outside
    assert inside == pytest.approx(0.9, abs=0.05) and outside == pytest.approx(0.9, abs=0.08)


def test_a_crystal_predicted_in_four_splits_counts_once():
    once = made_up(60, 8, outside=0.3)
    four_times = together([once] * 4)
    assert four_times.n_crystals == 60 and calibrate(four_times, [once], date="2026-01-01").n == 60
    coverage = cross_coverage(four_times, [], np.ones(240), ["x"] * 240)
    assert (coverage.n, coverage.n_predictions) == (60, 240)
    assert coverage.n_outside == once.outside.sum()


def test_coverage_outside_is_found_without_the_tested_formulas():
    """The worst crystal outside is covered only by intervals that have seen it, as one of a family left out."""
    names = np.array([f"A{k}" for k in range(10)] * 4)
    sizes = np.tile(2.0 ** np.arange(10), 4)
    outside = NamedErrors(sizes, np.full(40, 0.1), np.ones(40, dtype=bool), names, names)
    near = together([made_up(300, 10), outside])
    left_out = replace(outside, error=1.1 * sizes)[names == "A9"]
    coverage = cross_coverage(near, [left_out], np.ones(340), ["x"] * 340)
    assert coverage.n == 310 and coverage.n_outside == 10
    assert coverage.inside_outside[1] <= 0.9


def test_a_family_left_out_is_not_in_the_calibration(tmp_path):
    """The family's errors are far larger than others, in every split: what has seen none of them covers none."""
    store = EvaluationStore(tmp_path / "r.jsonl", tmp_path / "w")
    n = 80
    truth, families = np.geomspace(1, 100, n), np.array(["rocksalt", "zincblende"]).repeat(n // 2)
    error = np.where(families == "rocksalt", 0.1, 3.0) * np.resize([1, -1, 0.9, -0.9], n)
    names = [f"A{k}" for k in range(n)]
    for split in ("formula-0", "formula-1", "anion-out", "family-out"):
        found = Predictions(
            names, names, families.tolist(), truth, truth * np.exp(error), np.full(n, 0.2), np.full(n, 0.5)
        )
        store.add(EvaluationKey("grouped", "fast", "MIX", "MIX", split), found, n_train=60, seconds=1.0)
    (result,) = calibrations_of("fast", store)
    assert result.calibration.n == result.coverage.n == n and result.coverage.n_predictions == 3 * n
    assert result.left_out["tetrahedral"] == 0.0 and result.left_out["rocksalt"] == 1.0
