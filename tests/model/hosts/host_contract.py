"""The promises every host keeps. A host's test module inherits `HostContract` and gives `host`."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kappatune.model.graphs import build_graphs
from kappatune.model.hosts import Host
from kappatune.structures import Crystal
from tests.builders import supercell

TOLERANCE = 1e-5


class HostContract:
    beyond = ("last.",)
    """Parts of the names of parameters that no embedding goes through."""

    @pytest.fixture
    def host(self) -> Host:
        raise NotImplementedError

    def embed(self, host: Host, crystals: list[Crystal], *, fold: bool = True) -> dict[str, torch.Tensor]:
        batch = build_graphs(crystals, host.cutoff_angstrom, fold=fold).batch()
        with torch.no_grad():
            return {level: host.embed(batch, level) for level in host.embedding_sizes}

    def agree(self, first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
        for level, embedding in first.items():
            scale = embedding.abs().max().clamp(min=1.0)
            assert ((embedding - second[level]).abs().max() / scale) <= TOLERANCE, level

    def test_shapes_and_finite(self, host, crystals):
        for level, embedding in self.embed(host, crystals).items():
            assert embedding.shape == (len(crystals), host.embedding_sizes[level])
            assert torch.isfinite(embedding).all()

    def test_different_crystals_differ(self, host, crystals):
        for embedding in self.embed(host, crystals).values():
            assert (embedding[0] - embedding[1]).abs().max() > 1e-3

    def test_atom_order(self, host, crystals):
        rng = np.random.default_rng(1)
        shuffled = []
        for c in crystals:
            order = rng.permutation(c.n_atoms)
            shuffled.append(Crystal(c.lattice, c.numbers[order], c.frac_coords[order]))
        self.agree(self.embed(host, crystals), self.embed(host, shuffled))

    @pytest.mark.parametrize("repeats", [(2, 1, 1), (1, 2, 3), (2, 2, 2)])
    def test_supercell(self, host, crystals, repeats):
        self.agree(self.embed(host, crystals), self.embed(host, [supercell(c, repeats) for c in crystals]))

    def test_primitive_or_conventional_cell(self, host):
        from pymatgen.core import Lattice, Structure

        conventional = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.212), ["Mg", "O"], [[0] * 3, [0.5] * 3])
        pair = [Crystal.from_pymatgen(s) for s in (conventional, conventional.get_primitive_structure())]
        assert [c.n_atoms for c in pair] == [8, 2]
        self.agree(self.embed(host, pair[:1]), self.embed(host, pair[1:]))

    def test_translation(self, host, crystals):
        moved = [Crystal(c.lattice, c.numbers, c.frac_coords + np.array([0.37, -1.21, 5.5])) for c in crystals]
        self.agree(self.embed(host, crystals), self.embed(host, moved))

    def test_rotation(self, host, crystals):
        angle = 0.7
        turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        self.agree(
            self.embed(host, crystals),
            self.embed(host, [Crystal(c.lattice @ turn, c.numbers, c.frac_coords) for c in crystals]),
        )

    def test_batch_size(self, host, crystals):
        together = self.embed(host, crystals)
        alone = [self.embed(host, [c]) for c in crystals]
        self.agree(together, {level: torch.cat([a[level] for a in alone]) for level in together})

    def test_folding_changes_nothing(self, host, crystals):
        self.agree(self.embed(host, crystals), self.embed(host, crystals, fold=False))

    def test_crystal_without_neighbours_stays_finite(self, host):
        lonely = Crystal(np.eye(3) * 20.0, np.array([14]), np.zeros((1, 3)))
        for embedding in self.embed(host, [lonely]).values():
            assert torch.isfinite(embedding).all()

    def test_describes_itself(self, host, crystals):
        twin = type(host).from_description(host.describe())
        twin.load_state_dict(host.state_dict(), strict=True)
        self.agree(self.embed(host, crystals), self.embed(twin.eval(), crystals))

    def test_gradient_reaches_every_parameter(self, host, crystals):
        batch = build_graphs(crystals, host.cutoff_angstrom).batch()
        total = sum(host.embed(batch, level).square().sum() for level in host.embedding_sizes)
        assert total.requires_grad == bool(list(host.parameters()))
        if total.requires_grad:
            total.backward()
        without = [
            n for n, p in host.named_parameters() if p.grad is None and not any(part in n for part in self.beyond)
        ]
        host.zero_grad(set_to_none=True)
        assert not without
