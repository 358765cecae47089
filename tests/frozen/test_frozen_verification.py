"""A verification folder of version 0.1.0, as that version left it.

It was written by the code of 0.1.0 (commit 2a8fab9) with phono3py 4.10.0 and is never made again. The names of the
forces are hashes of cells to the last bit, so another version of phonopy, spglib, ase or numpy may look for others.
"""

from __future__ import annotations

import json
import shutil
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from kappatune.potentials import load_potential
from kappatune.structures import Crystal
from kappatune.verification import Verification, Verifier, VerifySettings

FROZEN = Path(__file__).parent / "v0_1_0" / "verify"
EXPECTED = json.loads((FROZEN / "expected.json").read_text(encoding="utf-8"))
COPPER = Crystal(1.8 * (1.0 - np.eye(3)), np.array([29]), np.zeros((1, 3)), id="cu")
SETTINGS = VerifySettings.of("quick", mesh_length=12.0, mesh_tolerance=0.5, temperatures_k=(200.0, 300.0))
LATER_FIELDS = {"seconds", "peak_memory_gb", "versions", "because"}
"""Fields that belong to a run, and a sentence."""

AGL_OF_TODAY_W_MK = 15.675934
"""AGL is computed anew, and since 0.1.0 compressed volumes weigh less in its fit."""

same_hashes = pytest.mark.skipif(
    any(version(name) != EXPECTED["versions"][name] for name in ("phono3py", "phonopy", "spglib", "ase", "numpy")),
    reason="the forces were written with other versions of phonopy, spglib, ase or numpy",
)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A copy, where the potential has the path it had."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(FROZEN / "copper.py", "copper.py")
    shutil.copytree(FROZEN / "cu-fff85787fb91", "out/cu-fff85787fb91")
    return tmp_path / "out"


def verify(out: Path) -> Verification:
    return Verifier(load_potential("copper.py:copper"), SETTINGS, out).verify(COPPER)


def assert_as_before(row: Verification) -> None:
    values = row.model_dump(mode="json")
    assert values.keys() >= EXPECTED.keys()
    assert values["settings"] == EXPECTED["settings"]
    for name, before in EXPECTED.items():
        if name in LATER_FIELDS or name in ("settings", "kappa_tensor_w_mk", "relaxed"):
            continue
        if name == "agl_w_mk" and values["versions"] != EXPECTED["versions"]:
            before = AGL_OF_TODAY_W_MK
        if isinstance(before, float):
            assert values[name] == pytest.approx(before, rel=1e-6, abs=1e-6), name
        elif name == "kappa_by_temperature_w_mk":
            assert values[name] == pytest.approx(before, rel=1e-6)
        else:
            assert values[name] == before, name
    np.testing.assert_allclose(values["kappa_tensor_w_mk"], EXPECTED["kappa_tensor_w_mk"], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(values["relaxed"]["lattice"], EXPECTED["relaxed"]["lattice"], atol=1e-6)


def force_files(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in out.glob("*/forces/*.npy")}


@same_hashes
def test_no_force_of_0_1_0_is_computed_again(folder):
    (answer,) = folder.glob("*/answer-*.json")
    answer.unlink()  # as if the settings of the mesh or the versions of the packages were others
    before = force_files(folder)
    assert_as_before(verify(folder))
    assert force_files(folder) == before and len(before) == EXPECTED["n_forces"]
    assert [path.name for path in folder.iterdir()] == ["cu-fff85787fb91"]


@same_hashes
def test_a_run_that_0_1_0_left_unfinished_goes_on(folder):
    for pattern in ("answer-*.json", "curves-*.npz"):
        (file,) = folder.glob(f"*/{pattern}")
        file.unlink()
    before = force_files(folder)
    missing = sorted(before)[::3]
    for name in missing:
        (folder / "cu-fff85787fb91" / "forces" / name).unlink()
    assert_as_before(verify(folder))
    after = force_files(folder)
    assert after.keys() == before.keys()
    assert {name for name in before if after[name] != before[name]} == set(missing)


def test_a_row_of_0_1_0_is_found_or_computed_with_the_same_values(folder):
    assert_as_before(verify(folder))
    again = verify(folder)
    assert_as_before(again)
    assert Verification.model_validate(EXPECTED).model_dump(mode="json", exclude_unset=True) == EXPECTED
