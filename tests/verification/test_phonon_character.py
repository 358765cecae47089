from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kappatune.structures.remarks import Remark
from kappatune.verification import phonon_character, transport
from kappatune.verification.modes import Modes, value_at_half
from kappatune.verification.outcomes import UnphysicalKappa
from kappatune.verification.phonon_character import acoustic_gap, estimated_coherences
from kappatune.verification.transport import check_possible
from tests.verification.small import ALLOY, COPPER, SETTINGS, verifier

TENSOR = np.array([[3.0, 3.0, 2.0, 0.0, 0.0, 0.1], [2.0, 2.0, 1.0, 0.0, 0.0, 0.1]])


def modes(frequencies, lifetimes, kappa) -> Modes:
    """Modes of one point."""
    frequencies = np.array([frequencies], dtype=float)
    tensor = np.repeat(np.array([kappa], dtype=float)[..., None], 6, axis=-1)
    return Modes(
        qpoints=np.zeros((1, 3)),
        weights=np.array([1]),
        frequencies=frequencies,
        velocities=np.zeros((*frequencies.shape, 3)),
        heat_capacities=np.ones_like(frequencies),
        lifetimes=np.array([lifetimes], dtype=float),
        mean_free_paths=np.array([lifetimes], dtype=float),
        kappa=tensor,
        populations=tensor,
        grid=None,
    )


def test_half_of_kappa_is_carried_below_the_value_at_half():
    assert value_at_half(np.array([1.0, 2.0, 4.0]), np.array([0.0, 2.0, 6.0])) == 2.5


def test_no_two_acoustic_phonons_reach_an_optical_one_in_boron_arsenide():
    arsenide = modes([3.0, 5.0, 9.5, 19.5, 19.6, 21.0], [100.0] * 6, [1.0] * 6)
    gap, top = acoustic_gap(arsenide)
    assert gap == pytest.approx(10.0) and gap > top
    assert acoustic_gap(modes([1.0, 2.0, 3.0], [1.0] * 3, [1.0] * 3)) == (0.0, 3.0)


def test_coherences_are_expected_where_phonons_live_shorter_than_bands_are_apart():
    long, short = (modes([1.0, 2.0, 3.0], [lifetime] * 3, [1.0] * 3) for lifetime in (50.0, 0.5))
    assert estimated_coherences(long) == pytest.approx(1 / (2 * np.pi * 50.0))
    assert estimated_coherences(short) == pytest.approx(100 * estimated_coherences(long))
    still = modes([0.0, 2.0, 3.0], [np.nan, 5.0, 5.0], [0.0, 1.0, 1.0])
    assert np.isfinite(estimated_coherences(still))


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (TENSOR * np.nan, "not a number"),
        (TENSOR * 1e30, "above that of any known solid"),
        (TENSOR * 1e-5, "below that of any known solid"),
        (-TENSOR, "is negative"),
        (TENSOR + np.eye(6)[5] * 4.0, "in a direction"),
    ],
)
def test_a_kappa_that_no_solid_has_is_refused(tensor, message):
    check_possible(TENSOR, SETTINGS)
    with pytest.raises(UnphysicalKappa, match=message):
        check_possible(tensor, SETTINGS)


def test_an_absurd_kappa_becomes_a_row_with_its_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(transport, "POSSIBLE_KAPPA", (1e-3, 2e-3))
    row = verifier(tmp_path).verify(COPPER)
    assert row.outcome == "unphysical kappa" and "above that of any known solid" in row.reason
    assert row.kappa_bte_w_mk is None and row.kappa_polycrystal_w_mk is None and row.cumulative == {}


def test_remarks_of_reading_come_first_and_stay_in_rows_from_disk(tmp_path, monkeypatch):
    read = Remark.FORMULA.sentence("a test")
    monkeypatch.setattr(phonon_character, "LARGE_DISPLACEMENT", 0.001)
    crystal = replace(ALLOY, remarks=(read,))
    for _ in range(2):
        row = verifier(tmp_path).verify(crystal)
        assert row.remarks[0] == read
        assert {Remark.of(remark) for remark in row.remarks} >= {Remark.METALLIC, Remark.FOUR_PHONONS}
    failed = verifier(tmp_path, SETTINGS.replace(max_forces=1)).verify(crystal)
    assert failed.outcome == "too large" and failed.remarks[0] == read


def test_boundaries_end_every_flight_and_lower_kappa(tmp_path):
    free = verifier(tmp_path).verify(COPPER)
    film = verifier(tmp_path, SETTINGS.replace(boundary_nm=2.0)).verify(COPPER)
    assert "boundary_nm" not in free.settings and film.settings["boundary_nm"] == 2.0
    assert film.kappa_bte_w_mk < 0.9 * free.kappa_bte_w_mk
    assert max(film.cumulative["mean_free_path_nm"]) < 2.0 < max(free.cumulative["mean_free_path_nm"])
    for row in (free, film):
        assert row.cumulative["kappa_up_to_frequency_w_mk"][-1] == pytest.approx(row.kappa_bte_w_mk, rel=1e-6)
        assert row.cumulative["kappa_up_to_mean_free_path_w_mk"][-1] == pytest.approx(row.kappa_bte_w_mk)
        assert row.kappa_polycrystal_w_mk == pytest.approx(row.kappa_bte_w_mk) and row.anisotropy == pytest.approx(1)
    assert 1.5 < free.gruneisen <= free.gruneisen_rms < 3.0  # 2.0 measured
    assert free.lifetime_ps > 1.0 and free.mean_free_path_nm > 0.5
