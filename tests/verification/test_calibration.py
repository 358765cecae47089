from __future__ import annotations

from math import log

import numpy as np
import pytest

from kappatune.structures import Crystal
from kappatune.verification import VerifySettings
from kappatune.verification.calibration import Calibrations, shipped_calibrations
from tests.verification.calibrations import calibrated
from tests.verification.small import COPPER, verifier


def among(*calibrations) -> Calibrations:
    return Calibrations(date="2026-11-26", model="accurate", calibrations=calibrations)


@pytest.mark.parametrize(
    ("settings", "quality"),
    [
        (VerifySettings.of("quick"), "quick"),
        (VerifySettings.of("quick", mesh_length=12.0), "quick"),
        (VerifySettings.of("quick", max_atoms=16), "quick"),
        (VerifySettings.of("standard"), "standard"),
        (VerifySettings.of("standard", max_atoms=200), "standard"),
        (VerifySettings.of("converged"), "converged"),
    ],
)
def test_settings_belong_to_the_quality_whose_supercell_they_allow(settings, quality):
    assert settings.nearest_quality == quality


def test_the_calibration_of_the_same_quality_is_preferred_to_one_with_more_values():
    quick, standard = calibrated(n=12), calibrated(quality="standard", n=40)
    found = among(quick, standard)
    assert found.find("EMT", VerifySettings.of("quick", wigner=True)) == quick
    assert found.find("EMT", VerifySettings.of("standard", wigner=True)) == standard
    assert found.find("EMT", VerifySettings.of("converged", wigner=True)) == standard
    assert found.find("EMT", VerifySettings.of("quick")) is None
    assert found.find("CHGNet", VerifySettings.of("quick", wigner=True)) is None


def test_a_bias_that_depends_on_kappa():
    one = calibrated(bias_ln=log(2.0), slope=-0.5, centre_ln=log(10.0))
    assert one.without_bias(10.0) == pytest.approx(20.0)
    assert one.without_bias(40.0) == pytest.approx(40.0)
    assert one.without_bias(2.5) == pytest.approx(10.0)


def test_typical_coherences_stand_in_for_those_that_a_value_lacks():
    one = calibrated(bias_ln=0.0, coherences=False, typical_coherences_w_mk=0.3)
    assert one.without_bias(0.02) == pytest.approx(0.32)
    assert one.without_bias(50.0) == pytest.approx(50.3)


def test_the_shipped_calibrations_say_on_how_many_crystals_they_rest():
    shipped = shipped_calibrations()
    assert {one.potential for one in shipped.calibrations} >= {"nequix-mp-1-pft", "SevenNet-0"}
    for one in shipped.calibrations:
        assert one.n_formulas >= 10 and one.n_asked >= one.n and one.half_width_ln > 0.2
        assert f"{one.n} crystals" in one.basis


def test_a_row_carries_the_best_estimate_of_a_calibrated_potential(tmp_path):
    judge = verifier(tmp_path, calibrations=among(calibrated(coherences=False)))
    row = judge.verify(COPPER)
    assert row.kappa_best_w_mk == pytest.approx(1.5 * row.kappa_bte_w_mk)
    assert (row.best_lower_w_mk, row.best_upper_w_mk) == (row.likely_lower_w_mk, row.likely_upper_w_mk)
    assert "12 crystals" in row.because


def test_a_crystal_with_imaginary_modes_says_how_often_dft_has_a_value_there(tmp_path):
    bcc = Crystal(np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) * 1.435, COPPER.numbers, COPPER.frac_coords, id="bcc")
    row = verifier(tmp_path, calibrations=among(calibrated(coherences=False))).verify(bcc)
    assert row.outcome == "imaginary modes" and row.kappa_best_w_mk is None
    assert "2 of 15 crystals" in row.because
