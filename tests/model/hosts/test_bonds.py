from __future__ import annotations

import numpy as np
import pytest
import torch

from kappatune.model.graphs import build_graphs, envelope
from kappatune.model.hosts import load_host
from kappatune.model.hosts.bonds import SITE_QUANTITIES
from kappatune.structures import Crystal
from tests.builders import low_symmetry, rocksalt, supercell, zincblende
from tests.model.hosts.host_contract import HostContract

BONDS = "bond-geometry"
N_SITE = len(SITE_QUANTITIES)


def embed(crystals):
    host = load_host(BONDS)
    return host.embed(build_graphs(crystals, host.cutoff_angstrom).batch()).numpy()


def site_means(crystal):
    return dict(zip(SITE_QUANTITIES, embed([crystal])[0, :N_SITE], strict=True))


def strained(crystal: Crystal, volume: float) -> Crystal:
    """The crystal with its volume multiplied."""
    return Crystal(crystal.lattice * volume ** (1 / 3), crystal.numbers, crystal.frac_coords)


class TestBondGeometry(HostContract):
    @pytest.fixture
    def host(self):
        return load_host(BONDS)


def test_coordination_of_textbook_crystals():
    numbers = {name: site_means(c) for name, c in {"6": rocksalt(12, 8, 4.212), "4": zincblende(14, 14, 5.431)}.items()}
    for neighbours, found in numbers.items():
        assert np.exp(found["coordination"]) == pytest.approx(int(neighbours), rel=0.02)
        assert found["length_spread"] == pytest.approx(0.0, abs=0.02)
    assert numbers["6"]["like_neighbours"] == pytest.approx(0.0, abs=0.02)
    assert numbers["4"]["like_neighbours"] == pytest.approx(1.0)
    assert numbers["6"]["electronegativity_difference"] == pytest.approx(3.44 - 1.31, rel=0.03)
    assert numbers["4"]["length"] == pytest.approx(5.431 * 3**0.5 / 4 / 2.22, rel=0.01)


def test_like_crystals_of_other_sizes_differ_in_lengths_alone():
    small, large = site_means(rocksalt(12, 8, 4.212)), site_means(rocksalt(12, 8, 4.4))
    assert small["coordination"] == pytest.approx(large["coordination"], abs=0.01)
    assert large["length"] / small["length"] == pytest.approx(4.4 / 4.212, rel=1e-3)
    assert large["stiffness"] < small["stiffness"]


@pytest.mark.parametrize(("step", "largest"), [(0.02, 0.02), (0.05, 0.1)])
def test_small_displacements_change_little(step, largest):
    for crystal in (rocksalt(11, 17, 5.64), zincblende(14, 14, 5.431), rocksalt(82, 52, 6.46)):
        perfect = supercell(crystal, (3, 3, 3))
        direction = np.random.default_rng(0).normal(size=(perfect.n_atoms, 3))
        direction *= step / np.linalg.norm(direction, axis=1)[:, None]
        coords = perfect.frac_coords + direction @ np.linalg.inv(perfect.lattice)
        before, after = embed([perfect, Crystal(perfect.lattice, perfect.numbers, coords)])
        assert np.abs(after - before).max() < largest


def test_no_steps_with_volume():
    for crystal in (rocksalt(11, 17, 5.64), zincblende(14, 14, 5.431), low_symmetry(), rocksalt(55, 53, 7.7)):
        volumes = np.linspace(0.9, 1.1, 201)
        values = embed([strained(crystal, v) for v in volumes])
        assert np.abs(np.diff(values, axis=0)).max() < 0.03
        assert np.abs(np.diff(values, n=2, axis=0)).max() < 0.005


def test_bonds_end_without_a_step_at_the_cutoff():
    lengths = torch.tensor([1.0, 4.0, 5.0, 6.0, 7.0])
    assert torch.allclose(envelope(lengths, 6.0, fall=2.0), torch.tensor([1.0, 1.0, 0.5, 0.0, 0.0]))
    spaced = [Crystal(np.eye(3) * a, np.array([18]), np.zeros((1, 3))) for a in np.linspace(5.9, 6.1, 401)]
    assert np.abs(np.diff(embed(spaced), axis=0)).max() < 0.01
