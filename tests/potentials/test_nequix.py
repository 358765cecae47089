"""Our network against the package of its authors, and the strict reading of its weights.

`nequix/random.nqx` is a small network with random weights, made by the package (nequix 0.4.5), and `random.json` what
the package answers with it. `nequix-mp-1-pft.json` holds what it answers with the published weights, which are not
part of this project: give their path in `KAPPATUNE_NEQUIX` to compare.
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from kappatune.potentials import BadPotential, load_potential, nequix
from kappatune.storage import file_sha256
from tests.potentials.potential_contract import PotentialContract, distorted

pytest.importorskip("e3nn", reason="e3nn is not installed: pip install '.[mlip]'")

FOLDER = Path(__file__).parent / "nequix"
RANDOM = FOLDER / "random.nqx"


def assert_agrees(potential, reference: Path, energy_per_atom: float, force: float, stress: float) -> None:
    records = json.loads(reference.read_text())
    cells = [Atoms(r["symbols"], cell=r["cell"], positions=r["positions"], pbc=True) for r in records]
    for record, cell, found in zip(records, cells, potential.evaluate(cells), strict=True):
        assert abs(found.energy - record["energy"]) / len(cell) < energy_per_atom, str(cell.symbols)
        assert np.abs(found.forces - np.array(record["forces"])).max() < force, str(cell.symbols)
        assert np.abs(found.stress - np.array(record["stress"])).max() < stress, str(cell.symbols)


class TestNequix(PotentialContract):
    unknown_element = 100
    step = 0.01
    energy_tolerance = 1e-5
    force_tolerance = 2e-4
    stress_tolerance = 2e-5

    @pytest.fixture
    def potential(self):
        return load_potential(str(RANDOM))

    @pytest.fixture
    def cell(self) -> Atoms:
        return distorted(bulk("MgO", "rocksalt", a=4.0), seed=1)


def test_a_random_network_agrees_with_the_package():
    assert_agrees(load_potential(str(RANDOM)), FOLDER / "random.json", 2e-6, 1e-5, 1e-6)


@pytest.mark.shared
def test_the_published_weights_agree_with_the_package_on_fifty_crystals():
    weights = os.environ.get("KAPPATUNE_NEQUIX")
    if not weights:
        pytest.skip("set KAPPATUNE_NEQUIX to the path of nequix-mp-1-pft.nqx to run this test")
    assert_agrees(load_potential(weights), FOLDER / "nequix-mp-1-pft.json", 1e-4, 1e-3, 1e-3)


def test_without_downloaded_weights_the_command_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("KAPPATUNE_CACHE", str(tmp_path))
    with pytest.raises(BadPotential, match="kappatune data fetch nequix"):
        load_potential("nequix")


def test_downloaded_weights_are_found(monkeypatch, tmp_path):
    monkeypatch.setenv("KAPPATUNE_CACHE", str(tmp_path))
    (tmp_path / "nequix-mp-1-pft.nqx").write_bytes(RANDOM.read_bytes())
    monkeypatch.setitem(nequix.PUBLISHED, "nequix-mp-1-pft", file_sha256(RANDOM))
    assert str(load_potential("nequix")) == "nequix-mp-1-pft (weights by its authors)"


def test_only_the_published_weights_have_their_name(monkeypatch, tmp_path):
    renamed, trained = tmp_path / "download.nqx", tmp_path / "nequix-mp-1-pft.nqx"
    for path in (renamed, trained):
        path.write_bytes(RANDOM.read_bytes())
    assert str(load_potential(str(trained))) == "nequix-mp-1-pft with other weights (Nequix)"
    assert str(load_potential(str(renamed))) == "download (Nequix)"
    monkeypatch.setitem(nequix.PUBLISHED, "nequix-oam-1-pft", file_sha256(RANDOM))
    assert load_potential(str(renamed)).name == "nequix-oam-1-pft"


def head_and_arrays() -> tuple[dict, list[np.ndarray]]:
    file = io.BytesIO(RANDOM.read_bytes())
    head, arrays = json.loads(file.readline()), []
    while file.tell() < len(file.getvalue()):
        arrays.append(np.lib.format.read_array(file))
    return head, arrays


def written(path: Path, head: dict, arrays: list[np.ndarray], after: bytes = b"") -> str:
    with path.open("wb") as file:
        file.write(json.dumps(head).encode() + b"\n")
        for array in arrays:
            if array.dtype == object:  # the header of a pickled array: nothing behind it may be looked at
                np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
            else:
                np.lib.format.write_array(file, array)
        file.write(after)
    return str(path)


def with_nan(arrays: list[np.ndarray]) -> list[np.ndarray]:
    return [*arrays[:-1], np.full_like(arrays[-1], np.nan)]


@pytest.mark.parametrize(
    ("change_head", "change_arrays", "after", "reason"),
    [
        ({}, lambda a: a[:-1], b"", r"array \d+ cannot be read"),
        ({}, lambda a: a, b"more", "there is data after the last array"),
        ({}, lambda a: [a[0][:-1], *a[1:]], b"", r"array 1 has shape"),
        ({}, lambda a: [a[0].astype(np.float64), *a[1:]], b"", "float64"),
        ({}, with_nan, b"", "not finite"),
        ({}, lambda a: [np.array([{}], dtype=object), *a[1:]], b"", "Object arrays cannot be loaded"),
        ({"index_weights": True}, lambda a: a, b"", "index_weights"),
        ({"layer_norm": False}, lambda a: a, b"", "layer_norm"),
        ({"hidden_irreps": "8x0e + 4x1e"}, lambda a: a, b"", "natural parity"),
        ({"hidden_irreps": "4x1o"}, lambda a: a, b"", "no scalars"),
        ({"cutoff": None}, lambda a: a, b"", "cutoff"),
    ],
)
def test_a_damaged_weights_file_is_refused(tmp_path, change_head, change_arrays, after, reason):
    head, arrays = head_and_arrays()
    path = written(tmp_path / "changed.nqx", {**head, **change_head}, change_arrays(arrays), after)
    with pytest.raises(BadPotential, match=reason):
        load_potential(path)


def test_what_is_no_weights_file_is_refused(tmp_path):
    path = tmp_path / "text.nqx"
    path.write_text("no weights\n")
    with pytest.raises(BadPotential, match="not a weights file of Nequix"):
        load_potential(str(path))


def test_a_pickle_is_not_read(tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(b"\x80\x04.")
    with pytest.raises(BadPotential, match="a pickle, which is not read"):
        load_potential(str(path))
