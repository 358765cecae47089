from __future__ import annotations

import numpy as np
import pytest
import torch

from kappatune.model.graphs import build_graphs
from kappatune.model.hosts import CombinedHost, ElementStatistics, load_host, new_host, read_host_card
from tests.builders import rocksalt
from tests.model.hosts.host_contract import HostContract

ELEMENTS = "element-statistics"
PARTS = ("megnet-mp-2019.4.1-formation-energy", "megnet-mp-2018.6.1-log10K", ELEMENTS)


class TestElementStatistics(HostContract):
    @pytest.fixture
    def host(self):
        return load_host(ELEMENTS)

    def test_statistics_are_those_of_the_atoms(self, host):
        salt = rocksalt(11, 17, 5.6, "NaCl")
        mean, spread, least, greatest = self.embed(host, [salt])["pooled"][0].reshape(4, -1).numpy()
        rows = host.table[torch.tensor([10, 16])].numpy()
        assert np.allclose(mean, rows.mean(axis=0), atol=1e-6)
        assert np.allclose(spread, rows.std(axis=0), atol=1e-6)
        assert np.allclose(least, rows.min(axis=0)) and np.allclose(greatest, rows.max(axis=0))

    def test_table_is_standardised_and_nothing_is_missing(self, host):
        assert torch.isfinite(host.table).all()
        assert torch.allclose(host.table.mean(dim=0), torch.zeros(22), atol=1e-5)
        masses = host.table[:, host.settings.properties.index("atomic_mass")]
        assert masses.argmax() == 93 and masses.argmin() == 0


class TestCombinedHost(HostContract):
    beyond = ("last.", "readout.")

    @pytest.fixture
    def host(self):
        return load_host(PARTS)

    def test_each_part_sees_its_own_bonds(self, host, crystals):
        together = self.embed(host, crystals)["pooled"]
        apart = [self.embed(load_host(name), crystals)["pooled"] for name in PARTS]
        assert torch.allclose(together, torch.cat(apart, dim=1), atol=1e-5)

    def test_given_columns_are_the_element_statistics(self, host, crystals):
        given = host.fixed_columns("pooled")
        statistics = self.embed(load_host(ELEMENTS), crystals)["pooled"]
        assert torch.allclose(self.embed(host, crystals)["pooled"][:, given.start : given.stop], statistics, atol=1e-6)

    def test_hosts_without_weights_side_by_side_are_all_given(self):
        host = load_host((PARTS[0], ELEMENTS, "bond-geometry", PARTS[1]))
        sizes = [part.embedding_sizes["pooled"] for part in host.hosts]
        assert host.fixed_columns("pooled") == range(sizes[0], sum(sizes[:3]))

    def test_without_given_columns_all_are(self):
        host = load_host(PARTS[:2])
        assert host.fixed_columns("pooled") == range(host.embedding_sizes["pooled"])

    def test_card_rebuilds_it(self, host, crystals):
        other = new_host(read_host_card(PARTS))
        assert isinstance(other, CombinedHost) and other.describe() == host.describe()
        other.load_state_dict(host.state_dict())
        assert torch.equal(self.embed(other, crystals)["pooled"], self.embed(host, crystals)["pooled"])

    def test_levels_and_elements_are_what_all_parts_share(self, host):
        assert set(host.embedding_sizes) == {"pooled"}
        assert host.supported_elements == frozenset.intersection(*(load_host(p).supported_elements for p in PARTS))
        assert host.cutoff_angstrom == 5.0


def test_statistics_need_no_bonds():
    host = load_host(ELEMENTS)
    assert isinstance(host, ElementStatistics)
    far = rocksalt(11, 17, 40.0, "NaCl")
    batch = build_graphs([far], 5.0).batch()
    assert torch.isfinite(host.embed(batch)).all()
