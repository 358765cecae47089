from __future__ import annotations

import csv
from functools import lru_cache

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from kappatune.model.graphs import build_graphs
from kappatune.model.hosts import BadWeights, MEGNet, load_host, read_host_card, save_host, shipped_hosts
from kappatune.model.hosts.megnet import MEGNetSettings
from kappatune.structures import read_table
from tests.builders import rocksalt, zincblende
from tests.model.hosts.host_contract import HostContract

FORMATION = "megnet-mp-2019.4.1-formation-energy"
BULK = "megnet-mp-2018.6.1-log10K"
SHEAR = "megnet-mp-2018.6.1-log10G"


class TestShippedFormationEnergy(HostContract):
    @pytest.fixture
    def host(self):
        return load_host(FORMATION)


class TestShippedBulkModulus(HostContract):
    @pytest.fixture
    def host(self):
        return load_host(BULK)


class TestShippedShearModulus(HostContract):
    @pytest.fixture
    def host(self):
        return load_host(SHEAR)


class TestLstmVariant(HostContract):
    @pytest.fixture
    def host(self):
        torch.manual_seed(0)
        settings = MEGNetSettings(
            cutoff_angstrom=4.0,
            gaussian_exponent=0.5,
            elements=tuple(range(1, 95)),
            set2set="lstm",
            activate_last=True,
            property="formation energy",
            unit="eV/atom",
        )
        return MEGNet(settings).eval()


def predict(name, crystals):
    host = load_host(name)
    with torch.no_grad():
        return host.predict_property(build_graphs(crystals, host.cutoff_angstrom).batch()).numpy()


def test_hosts_that_are_shipped():
    assert shipped_hosts() == sorted(["bond-geometry", "element-statistics", FORMATION, BULK, SHEAR])


def test_known_formation_energies_and_moduli():
    crystals = [rocksalt(12, 8, 4.212), rocksalt(11, 17, 5.64), zincblende(14, 14, 5.431)]
    energy, bulk, shear = (predict(name, crystals) for name in (FORMATION, BULK, SHEAR))
    # Experimental enthalpies of formation: MgO -3.12, NaCl -2.13 eV/atom; an element has none.
    assert energy == pytest.approx([-3.05, -2.05, 0.0], abs=0.15)
    # Measured bulk moduli 160, 24, 98 GPa; shear moduli of MgO and Si 131, 67 GPa.
    assert 10**bulk == pytest.approx([160, 24, 98], rel=0.2)
    assert 10 ** shear[[0, 2]] == pytest.approx([131, 67], rel=0.3)


def test_card_names_source_and_licence():
    card = read_host_card(BULK)
    assert card.licence == "BSD-3-Clause"
    assert "sha256" in card.source


def test_unknown_host_is_named(tmp_path):
    with pytest.raises(BadWeights, match="no host 'nothing'"):
        load_host("nothing")
    garbage = tmp_path / "x.safetensors"
    garbage.write_bytes(b"not a safetensors file")
    with pytest.raises(BadWeights, match="not a readable safetensors file"):
        load_host(garbage)


@pytest.mark.parametrize("fault", ["missing", "unexpected", "shape", "finite"])
def test_weights_load_strictly(tmp_path, fault):
    path = tmp_path / "host.safetensors"
    save_host(load_host(BULK), path, name="x", source="test", licence="MIT")
    assert torch.equal(load_host(path).last.weight, load_host(BULK).last.weight)

    tensors = load_file(path)
    metadata = {"kappatune_host": read_host_card(path).model_dump_json()}
    if fault == "missing":
        del tensors["last.weight"]
    elif fault == "unexpected":
        tensors["model.last.weight"] = tensors["last.weight"].clone()
    elif fault == "shape":
        tensors["last.weight"] = tensors["last.weight"][:, :3].clone()
    else:
        tensors["last.weight"][0, 0] = torch.nan
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(BadWeights, match=r"last\.weight"):
        load_host(path)


def test_a_file_without_a_card_is_refused(tmp_path):
    path = tmp_path / "host.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(BadWeights, match="no card"):
        load_host(path)


@lru_cache
def shared_crystals(folder):
    return {
        row.crystal.id: row.crystal
        for table in ("l96", "hh143", "aflow_agl")
        for row in read_table(folder / f"{table}.parquet").rows
    }


def reference_rows(folder, file):
    crystals = shared_crystals(folder)
    with (folder / "megnet" / file).open() as lines:
        rows = list(csv.DictReader(lines))
    return rows, [crystals[row["id"]] for row in rows]


@pytest.mark.shared
@pytest.mark.slow
def test_published_formation_energies(shared_data):
    rows, crystals = reference_rows(shared_data, "eform_reference.csv")
    predicted = predict(shared_data / "megnet" / "MEGNet-MP-2018.6.1-Eform.safetensors", crystals)
    expected = np.array([float(row["formation_energy_ev_atom"]) for row in rows])
    assert len(rows) == 500
    assert np.abs(predicted - expected).max() < 1e-4


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "column"),
    [(FORMATION, "mp-2019.4.1/formation_energy"), (BULK, "mp-2018.6.1/log10K"), (SHEAR, "mp-2018.6.1/log10G")],
)
def test_original_keras_models(shared_data, name, column):
    rows, crystals = reference_rows(shared_data, "keras_reference.csv")
    expected = np.array([float(row[column]) for row in rows])
    assert len(rows) == 300
    assert np.abs(predict(name, crystals) - expected).max() < 1e-4


@pytest.mark.shared
def test_matgl_file_loads_strictly(shared_data, tmp_path):
    tensors = load_file(shared_data / "megnet" / "MEGNet-MP-2018.6.1-Eform.safetensors")
    tensors["model.extra.weight"] = torch.zeros(2)
    save_file(tensors, tmp_path / "x.safetensors")
    with pytest.raises(BadWeights, match=r"unexpected model\.extra\.weight"):
        load_host(tmp_path / "x.safetensors")
