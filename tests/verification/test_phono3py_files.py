from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from kappatune.verification.phono3py_files import COMPLETE, MODE_COLUMNS
from tests.verification.small import ALLOY, SETTINGS, verifier

MESH = ("--mesh", "4", "4", "4", "--br", "--isotope", "--ts", "200", "300")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A row, and the folder of its files."""
    folder = tmp_path_factory.mktemp("alloy")
    row = verifier(folder / "out", files=folder / "files").verify(ALLOY)
    (of_crystal,) = (folder / "files").iterdir()
    assert row.outcome == "answered" and row.mesh == "4x4x4", row.reason
    return row, of_crystal


def command(name: str, *arguments: str, cwd: Path) -> str:
    """The output of one of phono3py's commands."""
    script = f"from phono3py.scripts.{name} import run; run()"
    result = subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def copied(folder: Path, to: Path, *names: str) -> Path:
    to.mkdir()
    for name in names:
        shutil.copy(folder / name, to)
    return to


def test_phono3py_computes_the_same_kappa_from_displacements_and_force_constants(written, tmp_path):
    row, folder = written
    there = copied(folder, tmp_path / "fc", "phono3py_disp.yaml", "fc2.hdf5", "fc3.hdf5")
    output = command("phono3py_load", "phono3py_disp.yaml", *MESH, cwd=there)
    assert 'fc3 was read from "fc3.hdf5"' in output
    with h5py.File(there / "kappa-m444.hdf5") as file:
        np.testing.assert_allclose(file["kappa"][:], row.kappa_tensor_w_mk, rtol=1e-4, atol=1e-6)


def test_phono3py_makes_force_constants_of_its_own_from_the_forces(written, tmp_path):
    row, folder = written
    there = copied(folder, tmp_path / "forces", "phono3py_params.yaml")
    command("phono3py_load", "phono3py_params.yaml", *MESH, cwd=there)
    with h5py.File(there / "kappa-m444.hdf5") as file:  # phono3py makes the sums zero in another way
        np.testing.assert_allclose(file["kappa"][:, :3], np.array(row.kappa_tensor_w_mk)[:, :3], rtol=0.1)


def test_phono3py_opens_what_came_from_snapshots(tmp_path):
    settings = SETTINGS.replace(third_order="fewest forces")
    row = verifier(tmp_path / "out", settings, files=tmp_path / "files").verify(ALLOY)
    assert row.third_order == "snapshots"
    (folder,) = (tmp_path / "files").iterdir()
    from_constants = copied(folder, tmp_path / "fc", "phono3py_disp.yaml", "fc2.hdf5", "fc3.hdf5")
    command("phono3py_load", "phono3py_disp.yaml", *MESH, cwd=from_constants)
    with h5py.File(from_constants / "kappa-m444.hdf5") as file:
        np.testing.assert_allclose(file["kappa"][:], row.kappa_tensor_w_mk, rtol=1e-4, atol=1e-6)
    from_forces = copied(folder, tmp_path / "forces", "phono3py_params.yaml")
    command("phono3py_load", "phono3py_params.yaml", *MESH, cwd=from_forces)
    with h5py.File(from_forces / "kappa-m444.hdf5") as file:
        np.testing.assert_allclose(file["kappa"][:, :3], np.array(row.kappa_tensor_w_mk)[:, :3], rtol=0.02)


def test_cumulative_kappa_is_that_of_phono3py(written):
    row, folder = written
    by_frequency, by_path = (
        np.array([line.split() for line in output.splitlines() if line and line[0] == " "], dtype=float)
        for output in (
            command("phono3py_kaccum", "kappa-m444.hdf5", "--temperature", "300", "--average", *option, cwd=folder)
            for option in ((), ("--mfp",))
        )
    )
    ours = np.interp(by_frequency[:, 0], row.cumulative["frequency_thz"], row.cumulative["kappa_up_to_frequency_w_mk"])
    np.testing.assert_allclose(ours, by_frequency[:, 1], atol=0.01 * row.kappa_bte_w_mk)
    half = float(np.interp(0.5 * row.kappa_bte_w_mk, by_path[:, 1], 0.1 * by_path[:, 0]))
    assert row.mean_free_path_nm == pytest.approx(half, rel=0.1)  # theirs leaves isotopes out


def test_modes_are_listed_with_what_each_carries(written):
    row, folder = written
    rows = list(csv.DictReader((folder / "modes.csv").open(encoding="utf-8")))
    assert tuple(rows[0]) == MODE_COLUMNS
    assert sum(float(mode["kappa_w_mk"]) for mode in rows) == pytest.approx(row.kappa_bte_w_mk, rel=1e-4)
    assert len(rows) == 12 * 10 and sum(int(mode["weight"]) for mode in rows) == 12 * 64
    flying = [mode for mode in rows if mode["lifetime_ps"]]
    assert len(flying) >= len(rows) - 3
    for mode in flying:
        assert float(mode["mean_free_path_nm"]) == pytest.approx(
            float(mode["speed_km_s"]) * float(mode["lifetime_ps"]), rel=1e-4
        )


def test_files_are_written_once_and_again_for_other_settings(written, tmp_path):
    row, folder = written
    out, files = folder.parents[1] / "out", folder.parent
    before = (folder / COMPLETE).stat().st_mtime_ns
    assert verifier(out, files=files).verify(ALLOY).kappa_bte_w_mk == row.kappa_bte_w_mk
    assert (folder / COMPLETE).stat().st_mtime_ns == before
    twin = replace(ALLOY, lattice=1.01 * ALLOY.lattice)
    assert verifier(tmp_path, files=tmp_path / "files").verify(twin).outcome == "answered"
    (of_twin,) = (tmp_path / "files").iterdir()
    assert of_twin.name != folder.name  # another crystal of the same name
    (folder / COMPLETE).unlink()  # as if the process had died while it wrote
    verifier(out, files=files).verify(ALLOY)
    assert json.loads((folder / COMPLETE).read_text(encoding="utf-8"))["settings"] == row.settings
