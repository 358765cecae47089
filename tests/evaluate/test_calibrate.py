from __future__ import annotations

import numpy as np
import pytest

from kappatune.bundle import Calibration
from kappatune.evaluate.calibrate import calibrate, coverage_of, cross_coverage


def made_up(n: int, seed: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Errors whose size the spread tells, but for a factor of three."""
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0.1, 0.5, n)
    return shift + 3.0 * spread * rng.standard_normal(n), spread


def test_fresh_crystals_are_covered():
    calibration = calibrate(*made_up(500, 0), date="2026-01-01")
    assert coverage_of(calibration, *made_up(5000, 1)) == pytest.approx(0.9, abs=0.03)
    assert coverage_of(calibration, *made_up(5000, 2, shift=3.0)) < 0.3


def test_widths_follow_the_spread_and_not_below_the_floor():
    calibration = Calibration(level=0.9, factor=2.0, floor_ln=0.3, n=10, date="2026-01-01")
    assert calibration.half_width(np.array([0.0, 0.4])) == pytest.approx([0.6, 1.0])


def test_informative_spread_gives_narrower_intervals():
    error, spread = made_up(2000, 3)
    told = cross_coverage(error, spread, np.ones(2000), [str(k) for k in range(2000)], ["x"] * 2000)
    untold = cross_coverage(error, np.full(2000, 0.3), np.ones(2000), [str(k) for k in range(2000)], ["x"] * 2000)
    assert told.coverage == pytest.approx(0.9, abs=0.02) == untold.coverage
    assert told.miscalibration_area < 0.03
    assert told.median_factor < untold.median_factor


def test_coverage_is_reported_by_third_and_family():
    error, spread = made_up(300, 4)
    kappa = np.geomspace(1, 100, 300)
    error[kappa > 20] *= 3
    coverage = cross_coverage(error, spread, kappa, [str(k) for k in range(300)], ["a"] * 290 + ["b"] * 10)
    assert coverage.by_third[2] < coverage.by_third[0]
    assert set(coverage.by_family) == {"a"}
