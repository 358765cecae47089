"""Modes that nothing scatters on the mesh, and sums over modes beside phono3py's own kappa."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from phono3py import Phono3py

from kappatune.verification.force_constants import set_second_order, set_third_order
from kappatune.verification.forces import ForceCache
from kappatune.verification.modes import LONGEST_LIFETIME_PS, WIDEST_CURVE, Modes, contributions, lifetimes_of
from kappatune.verification.prepare import prepare
from kappatune.verification.standard_cell import standardise
from kappatune.verification.transport import run_transport
from tests.verification.small import ALLOY, SETTINGS, potential

GAMMA = np.array([[0.1, 0.2, 0.4], [0.1, 0.2, 1.5e-44]])
"""THz, at two points. At the second nothing has the energy of the highest band, which stretches a molecule."""


def result(**others) -> SimpleNamespace:
    """What phono3py returns for three bands, at 300 and at 600 K."""
    kappa = (1 / GAMMA)[..., None] * np.ones(6)
    shared = {
        "gamma": np.array([[GAMMA, 2 * GAMMA]]),
        "gamma_isotope": None,
        "boundary_mfp": None,
        "group_velocities": np.ones((2, 3, 3)),
        "mode_heat_capacities": np.ones((2, 2, 3)),
        "mode_kappa": np.array([[kappa, kappa / 2]]),
        "mesh_numbers": [1, 1, 4],
        "qpoints": np.zeros((2, 3)),
        "grid_weights": np.array([1, 3]),
        "frequencies": np.array([[1.0, 2.0, 24.0], [1.0, 2.0, 24.1]]),
        "bz_grid": None,
    }
    return SimpleNamespace(**shared | others)


def alloy(folder: Path) -> Phono3py:
    """A stable crystal with force constants of second and third order."""
    prepared, cache = prepare(standardise(ALLOY, 1e-3), SETTINGS), ForceCache(folder)
    phonons = prepared.phono3py
    set_second_order(phonons, cache.forces(prepared.single_cells, potential(), lambda: None))
    set_third_order(phonons, cache.forces(prepared.displaced_cells, potential(), lambda: None))
    return phonons


def test_a_mode_without_partners_adds_nothing_at_any_temperature():
    lifetimes = lifetimes_of(result(), 0)
    np.testing.assert_allclose(lifetimes[0], 1 / (4 * np.pi * GAMMA[0]))
    assert np.isnan(lifetimes[1, 2]) and not np.isnan(lifetimes[1, :2]).any()
    populations, coherences = contributions(result(), lifetimes, "rta")
    scattered = 10 + 5 + 2.5 + 10 + 5
    np.testing.assert_allclose(populations.sum(axis=(1, 2))[:, 0], [scattered / 4, scattered / 8])
    assert not coherences.any()


def test_the_heat_capacity_of_such_modes_counts_by_the_points_they_stand_for():
    assert Modes.of(result(), 0, "rta").unscattered_share == pytest.approx(3 / 12)
    assert Modes.of(result(gamma=np.full((1, 2, 2, 3), 0.1)), 0, "rta").unscattered_share == 0.0


def test_isotopes_or_a_boundary_that_scatter_it_bring_a_mode_back():
    for others in ({"gamma_isotope": np.full((1, 2, 3), 1e-3)}, {"boundary_mfp": 1.0}):
        assert np.isfinite(lifetimes_of(result(**others), 0)).all()


def test_the_longest_lifetime_is_the_limit():
    widths = np.array([[[[0.5, 2.0]]]]) / (4 * np.pi * LONGEST_LIFETIME_PS)
    lifetimes = lifetimes_of(result(gamma=widths), 0)
    assert np.isnan(lifetimes[0, 0])
    assert lifetimes[0, 1] == pytest.approx(LONGEST_LIFETIME_PS / 2)


@pytest.mark.parametrize(("solution", "wigner"), [("rta", False), ("rta", True), ("direct", False), ("direct", True)])
def test_the_sum_over_modes_is_the_kappa_of_phono3py(tmp_path, solution, wigner):
    settings = SETTINGS.replace(solution=solution, wigner=wigner)
    phonons = alloy(tmp_path)
    found = run_transport(phonons, 8.0, settings, (200.0, 300.0))
    theirs = phonons.thermal_conductivity
    if solution == "direct" and wigner:
        expected = np.array(theirs.kappa_intra_exact[0]) + np.array(theirs.kappa_inter[0])
    else:
        expected = np.array(theirs.kappa[0])
    np.testing.assert_allclose(found.kappa, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.modes.kappa.sum(axis=(0, 1)), expected[1], rtol=1e-9, atol=1e-9)


def test_curves_do_not_begin_at_the_mean_free_path_of_a_mode_at_rest(tmp_path):
    modes = run_transport(alloy(tmp_path), 8.0, SETTINGS, (300.0,)).modes
    still = modes.mean_free_paths.copy()
    still[0, 0] = 1e-16
    paths, sums = replace(modes, mean_free_paths=still).by_mean_free_path
    assert paths[0] == pytest.approx(paths[-1] / WIDEST_CURVE)
    assert sums[-1] == pytest.approx(modes.mean_populations.sum())
