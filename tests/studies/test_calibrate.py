from __future__ import annotations

import numpy as np
import pytest

from kappatune.model.intervals import IntervalCalibration
from kappatune.training.conformal import Errors
from studies.transfer.calibrate import calibrate, coverage_of, cross_coverage


def made_up(n: int, seed: int, shift: float = 0.0, outside: float = 0.0, worse: float = 1.0) -> Errors:
    """Errors three times as large as their spread; outside the domain they are larger still."""
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0.1, 0.5, n)
    apart = rng.random(n) < outside
    return Errors(shift + 3.0 * np.where(apart, worse, 1.0) * spread * rng.standard_normal(n), spread, apart)


def named(n: int) -> list[str]:
    return [str(k) for k in range(n)]


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
    blind = Errors(known.error, np.full(2000, 0.3), known.outside)
    told, untold = (cross_coverage(e, [], np.ones(2000), named(2000), ["x"] * 2000) for e in (known, blind))
    assert told.coverage == pytest.approx(0.9, abs=0.02) == untold.coverage
    assert told.miscalibration_area < 0.03
    assert told.median_factor < untold.median_factor


def test_coverage_is_reported_by_third_family_and_zone():
    errors = made_up(300, 4, outside=0.2, worse=3.0)
    kappa = np.geomspace(1, 100, 300)
    errors.error[kappa > 20] *= 3
    coverage = cross_coverage(errors, [], kappa, named(300), ["a"] * 290 + ["b"] * 10)
    assert coverage.by_third[2] < coverage.by_third[0]
    assert set(coverage.by_family) == {"a"}
    assert coverage.outside == pytest.approx(errors.outside.mean()) and coverage.median_error_ratio > 1.5
    inside, outside = coverage.inside_outside
    assert inside == pytest.approx(0.9, abs=0.05) and outside == pytest.approx(0.9, abs=0.08)
