from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ase.build import bulk
from ase.io import write

from kappatune.agl_workflow import AglResult
from kappatune.cli.agl import _kappa
from tests import toy_potentials as toy

COPPER = f"{Path(toy.__file__)}:copper"


def kappatune(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from kappatune.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=dict(os.environ),
        check=False,
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    write(folder / "cu.cif", bulk("Cu", "fcc", 3.6))
    write(folder / "si.cif", bulk("Si", "diamond", 5.43))
    (folder / "broken.cif").write_text("data_x\n_cell_length_a 4\nloop_\n")
    return folder


def test_json_has_the_curves(files, tmp_path):
    result = kappatune(
        "agl", files / "cu.cif", "--calculator", COPPER, "--json", "--temperatures", "200:400:100", "--plot", tmp_path
    )
    assert result.returncode == 0, result.stderr
    (row,) = json.loads(result.stdout)
    assert list(row) == list(AglResult.model_fields)
    assert row["temperatures_k"] == [200.0, 300.0, 400.0]
    assert row["kappa_by_temperature_w_mk"][1] == pytest.approx(row["kappa_w_mk"])
    assert row["id"] == "cu" and row["formula"] == "Cu" and "EMT" in row["potential"]
    assert [path.suffix for path in tmp_path.iterdir()] == [".png"]


def test_the_interval_stands_below_kappa_where_there_is_one():
    row = AglResult(id="cu", kappa_w_mk=10.0)
    assert _kappa(row) == "10"
    assert _kappa(row.model_copy(update={"lower_w_mk": 5.0, "upper_w_mk": 21.0})) == "10\n5 to 21"
    assert _kappa(AglResult(id="cu", reason="no minimum")) == "–"


@pytest.mark.slow
def test_one_bad_crystal_never_stops_the_rest(files):
    result = kappatune("agl", files, "--calculator", COPPER, "--csv", "--poisson", "0.3", "--workers", 2)
    assert result.returncode == 3
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["id"] for row in rows] == ["broken", "cu", "si"]
    assert [bool(row["kappa_w_mk"]) for row in rows] == [False, True, False]
    assert [bool(row["reason"]) for row in rows] == [True, False, True]
    assert "2 of 3 rows have no answer" in result.stderr
    assert float(rows[1]["poisson_ratio"]) == 0.3 and rows[1]["shear_modulus_gpa"] == ""
    assert not any("curve" in name or "by_temperature" in name for name in rows[0])


def test_the_table_is_for_people(files):
    result = kappatune("agl", files / "cu.cif", "--calculator", COPPER)
    assert result.returncode == 0
    assert "Cu" in result.stdout and "W/(m K)" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["agl"], 2, "Missing argument"),
        (["agl", "x.cif", "--json", "--csv"], 2, "not both"),
        (["agl", "x.cif", "--calculator", "dream"], 1, "known are chgnet"),
        (["agl", "x.cif", "--calculator", "no.py:make"], 1, "no such file"),
        (["agl", "x.cif", "--temperatures", "0:100:10"], 2, "give temperatures above 0 K"),
        (["agl", "x.cif", "--temperatures", "warm"], 2, "give temperatures above 0 K"),
        (["agl", "x.cif", "--poisson", "0.6"], 2, "between -1 and 0.5"),
        (["agl", "x.cif", "--workers", "0"], 2, "workers"),
        (["agl", "x.cif", "--calculator", COPPER, "--plot", __file__], 1, "nothing can be written there"),
    ],
)
def test_mistakes_get_a_sentence_and_a_code(tmp_path, arguments, code, message):
    result = kappatune(*arguments, cwd=tmp_path)
    assert result.returncode == code
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
