from __future__ import annotations

import numpy as np
import pytest

from kappatune.physics.polycrystal import effective_medium, principal_values


def test_an_isotropic_crystal_and_a_polycrystal_of_it_conduct_alike():
    assert effective_medium([7.3, 7.3, 7.3]) == pytest.approx(7.3)


def test_layers_conduct_half_and_chains_nothing():
    assert effective_medium([0.0, 40.0, 40.0]) == pytest.approx(20.0)
    assert effective_medium([0.0, 0.0, 40.0]) == 0.0


@pytest.mark.parametrize("principal", [(1.0, 2.0, 30.0), (0.2, 9.0, 9.0), (3.0, 3.1, 3.2), (0.01, 1.0, 500.0)])
def test_the_fields_that_grains_add_cancel(principal):
    kappa = effective_medium(principal)
    assert sum((k - kappa) / (k + 2 * kappa) for k in principal) == pytest.approx(0.0, abs=1e-9)
    mean, series = np.mean(principal), 3 / sum(1 / k for k in principal)
    assert series < kappa < mean


def test_principal_values_do_not_depend_on_the_axes():
    turn, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    turned = turn @ np.diag([1.0, 2.0, 5.0]) @ turn.T
    tensor = [turned[i, j] for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))]
    np.testing.assert_allclose(principal_values(tensor), [1.0, 2.0, 5.0])
