from __future__ import annotations

import numpy as np
import pytest
import torch

from kappatune.model.graphs import build_graphs
from kappatune.structures import Crystal
from tests.builders import FCC, low_symmetry, rocksalt, supercell, zincblende


def test_rocksalt_has_six_nearest_neighbours():
    graphs = build_graphs([rocksalt(12, 8, 4.212)], 2.2, fold=False)
    assert graphs.n_bonds.tolist() == [12]
    assert np.allclose(graphs.distance, 2.106)


def test_silicon_shells():
    graphs = build_graphs([zincblende(14, 14, 5.431)], 4.0)
    assert graphs.distance == pytest.approx([5.431 * 3**0.5 / 4, 5.431 / 2**0.5], abs=1e-5)
    assert graphs.weight.tolist() == [4.0, 12.0]
    assert graphs.multiplicity.tolist() == [2.0]


def test_folding_keeps_every_bond(crystals):
    folded, full = build_graphs(crystals, 5.0), build_graphs(crystals, 5.0, fold=False)
    for k in range(len(crystals)):
        edges = slice(*folded.edge_offsets[k : k + 2])
        nodes = slice(*folded.node_offsets[k : k + 2])
        of_target = folded.multiplicity[nodes][folded.target[edges]]
        assert (folded.weight[edges] * of_target).sum() == pytest.approx(full.n_bonds[k])
        assert folded.multiplicity[nodes].sum() == crystals[k].n_atoms


def test_inequivalent_atoms_are_not_folded():
    crystal = low_symmetry()
    assert len(build_graphs([crystal], 5.0).numbers) == crystal.n_atoms


def test_same_element_on_different_sites_stays_apart():
    # A half-Heusler of one element: sites at the origin and at 1/4 differ only by their neighbours.
    crystal = Crystal(FCC * 6.0, np.array([14, 14, 14]), np.array([[0.0] * 3, [0.25] * 3, [0.5] * 3]))
    assert sorted(build_graphs([crystal], 3.5).multiplicity.tolist()) == [1.0, 2.0]


def test_supercells_fold_to_the_same_graph():
    small = rocksalt(12, 8, 4.212)
    graphs = build_graphs([small, supercell(small, (2, 3, 1))], 4.0)
    assert graphs.n_bonds[1] == 6 * graphs.n_bonds[0]
    first, second = graphs.batch([0]), graphs.batch([1])
    assert torch.allclose(first.distance, second.distance, atol=1e-5)
    assert torch.equal(first.weight, second.weight)
    assert graphs.n_primitive.tolist() == [2.0, 2.0]


def test_primitive_cell_of_a_noisy_supercell():
    rng = np.random.default_rng(0)
    big = supercell(rocksalt(12, 8, 4.212), (2, 2, 2))
    noisy = Crystal(big.lattice, big.numbers, big.frac_coords + rng.normal(scale=2e-4, size=big.frac_coords.shape))
    assert build_graphs([noisy], 4.0).n_primitive.tolist() == [2.0]


def test_batches_are_the_crystals_asked_for(crystals):
    graphs = build_graphs(crystals, 4.0)
    batch = graphs.batch([2, 0])
    alone = [graphs.batch([2]), graphs.batch([0])]
    assert batch.n_crystals == 2
    assert torch.equal(batch.numbers, torch.cat([a.numbers for a in alone]))
    assert torch.equal(batch.distance, torch.cat([a.distance for a in alone]))
    assert torch.equal(batch.source, torch.cat([alone[0].source, alone[1].source + len(alone[0].numbers)]))
    assert torch.equal(batch.crystal.bincount(), torch.tensor([len(a.numbers) for a in alone]))
    assert torch.equal(graphs.batch().volume_per_atom, graphs.batch(range(4)).volume_per_atom)


def test_chunks_join_seamlessly(crystals, monkeypatch):
    whole = build_graphs(crystals, 4.0)
    monkeypatch.setattr("kappatune.model.graphs._CHUNK", 1)
    joined = build_graphs(crystals, 4.0)
    for name in ("node_offsets", "edge_offsets", "source", "target", "distance", "n_bonds", "n_primitive"):
        assert np.array_equal(getattr(whole, name), getattr(joined, name)), name


def test_no_neighbours_and_no_crystals():
    lonely = Crystal(np.eye(3) * 30.0, np.array([14]), np.zeros((1, 3)))
    graphs = build_graphs([lonely, rocksalt(12, 8, 4.212)], 4.0)
    assert graphs.n_bonds[0] == 0 and graphs.n_isolated.tolist() == [1, 0]
    assert graphs.batch([0]).distance.shape == (0,)
    assert len(build_graphs([], 4.0)) == 0
