from __future__ import annotations

from math import log

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from kappatune.agl_workflow import AglSettings, agl
from kappatune.calculations.agl_calibration import AglCalibration, AglCalibrations, shipped_agl_calibrations

OF_COPPER = AglCalibration(
    potential="EMT",
    poisson_source="elastic constants of EMT",
    n=50,
    n_formulas=48,
    level=0.9,
    bias_ln=0.2,
    slope=-0.5,
    centre_ln=log(10.0),
    half_width_ln=0.4,
    coverage=0.9,
)


def test_the_interval_lies_around_the_value_without_its_bias():
    lower, upper = OF_COPPER.interval(10.0)
    assert (log(lower), log(upper)) == pytest.approx((log(10.0) - 0.2, log(10.0) + 0.6))
    lower, upper = OF_COPPER.interval(40.0)
    assert log(lower) + log(upper) == pytest.approx(2 * (log(40.0) + 0.2 - 0.5 * log(4.0)))


def test_a_row_has_an_interval_where_potential_poisson_ratio_and_settings_are_calibrated(monkeypatch):
    (plain,) = agl(bulk("Cu"), EMT())
    assert plain.lower_w_mk is plain.upper_w_mk is None and plain.kappa_w_mk > 0
    ours = AglCalibrations(date="2026-11-26", calibrations=(OF_COPPER,))
    monkeypatch.setattr("kappatune.calculations.agl.shipped_agl_calibrations", lambda: ours)
    (row,) = agl(bulk("Cu"), EMT(), AglSettings(temperatures_k=(300.0,)))
    assert row.kappa_w_mk == plain.kappa_w_mk
    assert (row.lower_w_mk, row.upper_w_mk) == OF_COPPER.interval(row.kappa_w_mk)
    for settings in (AglSettings(poisson=0.34), AglSettings(window=0.1), AglSettings(fit="birch-murnaghan")):
        (other,) = agl(bulk("Cu"), EMT(), settings)
        assert other.kappa_w_mk > 0 and other.lower_w_mk is None


def test_the_shipped_calibrations_hold_about_nine_in_ten():
    found = shipped_agl_calibrations().calibrations
    assert {one.potential for one in found} == {"CHGNet", "SevenNet-0", "nequix-mp-1-pft"}
    assert all(0.85 <= one.coverage <= 0.95 and one.n_formulas >= 40 for one in found)
