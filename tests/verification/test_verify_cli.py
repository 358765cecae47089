from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import pytest
from ase.build import bulk
from ase.io import write

from kappatune.verification import Verification
from kappatune.verification.row import NESTED_FIELDS
from tests.verification.small import TOY

QUICK = ("--calculator", f"{TOY}:copper", "--quality", "quick", "--temperatures", "300")


def kappatune(*arguments: object, cwd) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from kappatune.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
    )


@pytest.mark.slow
def test_a_folder_becomes_rows_figures_and_labels(tmp_path):
    write(tmp_path / "cu.cif", bulk("Cu", "fcc", 3.6))
    write(tmp_path / "si.cif", bulk("Si", "diamond", 5.43))
    command = (
        "verify",
        "cu.cif",
        "si.cif",
        *QUICK,
        "--model",
        "fast",
        "--plot",
        "figures",
        "--labels",
        "l.parquet",
        "--files",
        "files",
    )
    result = kappatune(*command, "--json", cwd=tmp_path)
    assert result.returncode == 3, result.stderr
    copper, silicon = json.loads(result.stdout)
    assert list(copper) == list(Verification.model_fields)
    assert copper["kappa_bte_w_mk"] > 0 and copper["predicted_w_mk"] > 0 and copper["verdict"] == "not judged"
    assert silicon["kappa_bte_w_mk"] is None and silicon["outcome"] == "potential failed"
    assert "force calculations of 32 atoms" in result.stderr and "1 of 2 rows has no answer" in result.stderr
    assert len(list((tmp_path / "figures").iterdir())) == 1 and (tmp_path / "l.parquet").is_file()
    assert len(list((tmp_path / "files").glob("cu-*/fc3.hdf5"))) == 1
    again = kappatune(*command, "--csv", cwd=tmp_path)
    rows = list(csv.DictReader(io.StringIO(again.stdout)))
    assert float(rows[0]["kappa_bte_w_mk"]) == copper["kappa_bte_w_mk"] and not set(rows[0]) & set(NESTED_FIELDS)


def test_estimate_prints_the_cost_and_computes_nothing(tmp_path):
    write(tmp_path / "cu.cif", bulk("Cu", "fcc", 3.6))
    result = kappatune("verify", "cu.cif", "nothing.cif", *QUICK, "--estimate", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    copper, nothing = json.loads(result.stdout)
    assert copper["n_forces"] == 16 and copper["n_atoms"] == 32
    assert copper["seconds"] > copper["seconds_per_force"] > 0 and copper["memory_gb"] > 0.1
    assert "no such file" in nothing["reason"] and not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["verify"], 2, "Missing argument"),
        (["verify", "x.cif", "--json", "--csv"], 2, "not both"),
        (["verify", "x.cif", "--quality", "best"], 2, "best"),
        (["verify", "x.cif", "--temperatures", "warm"], 2, "give temperatures above 0 K"),
        (["verify", "x.cif", "--temperatures", "0"], 2, "give temperatures above 0 K"),
        (["verify", "x.cif", "--temperatures", "0.5"], 2, "between 1 and 5000 K"),
        (["verify", "x.cif", "--pair-cutoff", "1"], 2, "greater than or equal to 1.5"),
        (["verify", "x.cif", "--calculator", "dream"], 1, "known are chgnet"),
        (["verify", "x.cif", "--labels", "mine.csv"], 1, ".parquet"),
        (["verify", "x.cif", "y.cif", "--born", "BORN"], 2, "--born is for one crystal"),
        (["verify", "x.cif", "--labels", "l.parquet", "--boundary", "50"], 2, "use one of them"),
        (["verify", "x.cif", "--boundary", "-5"], 2, "greater than or equal to 1"),
    ],
)
def test_mistakes_get_a_sentence_and_a_code(tmp_path, arguments, code, message):
    result = kappatune(*arguments, cwd=tmp_path)
    assert result.returncode == code
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.stderr and result.stdout == ""
