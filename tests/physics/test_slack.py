from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from ase.data import atomic_masses

from kappatune.physics.slack import ln_slack_kappa
from kappatune.structures import read_table


def test_silicon_by_hand():
    # theta_a = 645/2^(1/3) K, gamma = 2, m = 28.0855 u, V = 40.05 Å^3: eq. 17 of Toher et al. evaluated in SI.
    k, hbar, u = 1.380649e-23, 1.054571817e-34, 1.66053907e-27
    theta_a = 645.0 / 2 ** (1 / 3)
    expected = (
        0.849 * 3 * 4 ** (1 / 3) / (20 * math.pi**3 * (1 - 0.514 / 2 + 0.228 / 4))
        * (k * theta_a / hbar) ** 2
        * k * 28.0855 * u * (40.05e-30) ** (1 / 3) / (hbar * 4)
        * theta_a / 300.0
    )  # fmt: skip
    ln_kappa = ln_slack_kappa(math.log(645.0), 2.0, math.log(28.0855), math.log(40.05 / 2), math.log(2.0))
    assert math.exp(ln_kappa) == pytest.approx(expected, rel=1e-6)


def test_scaling_laws():
    base = {
        "ln_debye_temperature": 6.0,
        "gruneisen": 2.0,
        "ln_mean_mass": 3.0,
        "ln_volume_per_atom": 3.0,
        "ln_n_primitive": math.log(2.0),
    }
    at_300 = ln_slack_kappa(**base)
    assert ln_slack_kappa(**base, temperature_k=600.0) == pytest.approx(at_300 - math.log(2))
    assert ln_slack_kappa(**{**base, "ln_debye_temperature": 7.0}) == pytest.approx(at_300 + 3.0)
    assert ln_slack_kappa(**{**base, "ln_n_primitive": math.log(16.0)}) == pytest.approx(at_300 - 2 * math.log(2))


def test_tensors_and_arrays_agree():
    values = np.array([[6.0, 2.0, 3.0, 3.0, 0.7], [5.0, 1.5, 4.0, 2.5, 2.0]])
    arrays = ln_slack_kappa(*values.T)
    tensors = ln_slack_kappa(*torch.from_numpy(values).T)
    assert np.allclose(arrays, tensors.numpy())


@pytest.mark.shared
def test_reproduces_aflow(shared_data):
    rows = read_table(shared_data / "aflow_agl.parquet").rows
    assert len(rows) > 5000
    masses = np.array(atomic_masses)
    ln_kappa = ln_slack_kappa(
        np.log([r.properties["agl_debye"] for r in rows]),
        np.array([r.properties["agl_gruneisen"] for r in rows]),
        np.log([masses[r.crystal.numbers].mean() for r in rows]),
        np.log([r.crystal.volume / r.crystal.n_atoms for r in rows]),
        np.log([r.crystal.n_atoms for r in rows]),
    )
    error = np.abs(ln_kappa - np.log([r.kappa for r in rows])) / np.log(10)
    assert (error < 0.01).mean() > 0.99
