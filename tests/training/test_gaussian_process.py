from __future__ import annotations

import numpy as np
import pytest
import torch

from kappatune.training.gaussian_process import GaussianProcess, KernelSettings

GROUPS = [range(3), range(3, 5)]


def sample(n, seed=0, noise=0.05):
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(n, 5))
    y = np.sin(2.0 * x[:, 0]) + 0.5 * x[:, 3] + 3.0 + noise * draw.normal(size=n)
    return torch.from_numpy(x).float(), torch.from_numpy(y).float()


@pytest.fixture(scope="module")
def process():
    return GaussianProcess.fit(*sample(300), GROUPS, seed=0)


def test_unseen_values_are_predicted_with_an_honest_spread(process):
    x, y = sample(500, seed=1)
    mean, spread = process.predict(x)
    assert float((mean - y).abs().mean()) < 0.15
    held = ((mean - y).abs() < 1.645 * spread).float().mean()
    assert 0.8 < held < 0.99


def test_columns_that_matter_get_the_short_length_scales(process):
    scale = process.settings.scale
    assert scale[0] > 3 * scale[1:3].max() and scale[3] > 2 * scale[4]


def test_far_away_it_returns_to_the_mean_and_says_so(process):
    mean, spread = process.predict(torch.full((1, 5), 50.0))
    assert float(mean) == pytest.approx(process.mean, abs=1e-3)
    assert float(spread) > 3 * float(process.predict(torch.zeros(1, 5))[1])


def test_wild_labels_hardly_move_it():
    x, y = sample(300)
    wild = y.clone()
    wild[::20] += 8.0
    settings = KernelSettings(torch.tensor([1.0, 0.1, 0.1, 0.5, 0.1], dtype=torch.float64), *torch.tensor([1.0, 0.05]))
    probe, truth = sample(300, seed=2, noise=0.0)
    error, with_wild = (
        float((GaussianProcess(x, labels, settings).predict(probe)[0] - truth).abs().mean()) for labels in (y, wild)
    )
    assert with_wild < 3 * error < 0.6


def test_noise_free_labels_are_met():
    x, y = sample(40, noise=0.0)
    settings = KernelSettings(torch.full((5,), 0.5, dtype=torch.float64), *torch.tensor([1.0, 1e-4]))
    mean, _ = GaussianProcess(x, y, settings).predict(x)
    assert float((mean - y).abs().max()) < 0.05


def test_few_labels_that_are_all_alike():
    mean, spread = GaussianProcess.fit(torch.randn(3, 5), torch.full((3,), 2.0), GROUPS, seed=0).predict(
        torch.zeros(1, 5)
    )
    assert float(mean) == pytest.approx(2.0) and np.isfinite(float(spread))
