from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kappatune import __version__
from kappatune.demo import VALUES, textbook_table
from kappatune.model.prediction import Prediction
from tests.builders import rocksalt, zincblende

KAPPA = ["kappa_w_mk", "lower_w_mk", "upper_w_mk"]
FIELDS = ["id", "file", "formula", "temperature_k", *KAPPA, "debye_temperature_k", "gruneisen", "in_domain", "reason"]
FIELDS += ["remarks", "interval"]


def kappatune(
    *arguments: object, cwd: Path | None = None, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "KAPPATUNE_DATA"}
    return subprocess.run(
        [sys.executable, "-c", "from kappatune.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        input=stdin,
        env=environment,
        check=False,
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    rocksalt(12, 8, 4.212).to_pymatgen().to(filename=str(folder / "mgo.cif"))
    zincblende(14, 14, 5.431).to_pymatgen().to(filename=str(folder / "si.vasp"), fmt="poscar")
    (folder / "broken.cif").write_text("data_x\n_cell_length_a 4\nloop_\n")
    return folder


def test_json_is_a_list_of_rows(files):
    result = kappatune("predict", files / "mgo.cif", files / "si.vasp", "--json")
    assert result.returncode == 0, result.stderr
    rows = json.loads(result.stdout)
    assert [list(row) for row in rows] == [FIELDS] * 2
    assert [row["formula"] for row in rows] == ["MgO", "Si"]
    assert [Prediction.model_validate(row).id for row in rows] == ["mgo", "si"]


def test_remarks_stand_in_the_table_and_are_explained_once(files):
    bismuth_telluride = VALUES.parent / "Bi2Te3.cif"
    result = kappatune("predict", bismuth_telluride, files / "mgo.cif", "--temperature", "300,1000", "--model", "fast")
    assert result.returncode == 0, result.stderr
    _, cold, hot, *salt = result.stdout.splitlines()
    assert cold.rstrip().endswith(" layered") and hot.rstrip().endswith(" layered, glass-like")
    assert not any("layered" in row for row in salt)
    layered, glass_like = result.stderr.splitlines()
    assert layered.startswith("layered (2 rows): the bonds run along layers")
    assert glass_like.startswith("glass-like (1 row): kappa is near the amorphous limit")
    written = kappatune("predict", bismuth_telluride, "--temperature", "1000", "--model", "fast", "--csv")
    (row,) = csv.DictReader(io.StringIO(written.stdout))
    assert [one.partition(":")[0] for one in row["remarks"].split("; ")] == ["layered", "glass-like"]
    assert written.stderr == ""


def test_csv_has_the_same_columns(files):
    result = kappatune("predict", files / "mgo.cif", "--csv", "--fidelity", "agl")
    (row,) = csv.DictReader(io.StringIO(result.stdout))
    assert list(row) == FIELDS
    assert float(row["lower_w_mk"]) < float(row["kappa_w_mk"]) < float(row["upper_w_mk"])


def test_another_temperature(files):
    (warm,), (cold,), (room,) = (
        json.loads(kappatune("predict", files / "si.vasp", "--json", *more).stdout)
        for more in (["--temperature", "600"], ["--temperature", 50], [])
    )
    assert [row["temperature_k"] for row in (warm, cold, room)] == [600.0, 50.0, 300.0]
    assert warm["kappa_w_mk"] == pytest.approx(room["kappa_w_mk"] / 2)
    assert (warm["in_domain"], cold["in_domain"]) == (True, False)
    assert "at 50 K, below a third of the acoustic Debye temperature" in cold["reason"]
    table = kappatune("predict", files / "si.vasp", "--temperature", 50)
    assert table.returncode == 0 and "1/T no longer holds" in " ".join(table.stdout.split())


def test_several_temperatures_are_a_row_each(files):
    rows = json.loads(kappatune("predict", files / "si.vasp", "--json", "--temperature", "300,400:600:100").stdout)
    assert [row["temperature_k"] for row in rows] == [300.0, 400.0, 500.0, 600.0]
    assert [row["kappa_w_mk"] * row["temperature_k"] for row in rows] == pytest.approx(
        [rows[0]["kappa_w_mk"] * 300] * 4
    )


def test_standard_input_is_a_file_of_any_kind(files):
    for name in ("mgo.cif", "si.vasp"):
        piped = kappatune("predict", "-", "--csv", stdin=(files / name).read_text())
        named = kappatune("predict", files / name, "--csv")
        assert piped.returncode == 0, piped.stderr
        (by_pipe,), (by_name,) = csv.DictReader(io.StringIO(piped.stdout)), csv.DictReader(io.StringIO(named.stdout))
        assert (by_pipe.pop("id"), by_pipe.pop("file")) == ("stdin", "stdin")
        assert by_pipe.items() <= by_name.items()
    nothing = kappatune("predict", "-", "--json", stdin="")
    assert nothing.returncode == 3 and json.loads(nothing.stdout)[0]["reason"]


def test_the_version_and_short_help():
    version = kappatune("--version")
    assert version.returncode == 0 and version.stdout == f"kappatune {__version__}\n"
    for command in ([], ["predict"], ["data"], ["data", "fetch", "aflow"]):
        assert kappatune(*command, "-h").stdout == kappatune(*command, "--help").stdout != ""


def test_one_bad_file_keeps_its_row_and_exit_code_says_so(files):
    result = kappatune("predict", files, "--json")
    assert result.returncode == 3
    rows = json.loads(result.stdout)
    assert [Path(row["file"]).name for row in rows] == ["broken.cif", "mgo.cif", "si.vasp"]
    assert rows[0]["kappa_w_mk"] is None and rows[0]["reason"]
    assert "1 of 3 rows has no answer" in result.stderr


def test_file_names_of_any_bytes(files, tmp_path):
    odd = os.fsencode(tmp_path) + b"/od\xffd.cif"
    Path(os.fsdecode(odd)).write_bytes((files / "mgo.cif").read_bytes())
    (row,) = json.loads(kappatune("predict", tmp_path, "--json").stdout)
    assert row["formula"] == "MgO" and "od" in row["id"]


def test_the_table_is_for_people(files):
    result = kappatune("predict", files / "mgo.cif")
    assert result.returncode == 0
    assert "MgO" in result.stdout and "W/(m K)" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["predict"], 2, "Missing argument"),
        (["predict", "x.cif", "--json", "--csv"], 2, "not both"),
        (["predict", "x.cif", "--model", "nowhere"], 1, "no model there"),
        (["predict", "x.cif", "--fidelity", "guess"], 1, "it knows agl, dft"),
        (["predict", "x.cif", "--fidelity", "guess", "--json"], 1, "it knows agl, dft"),
        *[(["predict", "x.cif", "--temperature", t], 2, "above 0 K") for t in ("0", "-5", "nan", "inf")],
        (["predict", "x.cif", "--temperature", "warm"], 2, "give temperatures above 0 K"),
        (["predict", "-", "-"], 2, "read only once"),
        (["train", "nothing"], 1, "no recipe 'nothing'"),
        (["train", "step-2"], 1, "needs data"),
        (["train", "step-2", "--data", "."], 1, "no such file"),
        (["train", "step-2", "--start", "accurate"], 1, "names a host, so it cannot start"),
        (["info", "nowhere"], 1, "no model there"),
        (["dance"], 2, "No such command"),
    ],
)
def test_mistakes_get_a_sentence_and_a_code(tmp_path, arguments, code, message):
    result = kappatune(*arguments, cwd=tmp_path)
    assert result.returncode == code
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_missing_file_is_a_row_with_a_reason(tmp_path):
    result = kappatune("predict", "absent.cif", "--json", cwd=tmp_path)
    assert result.returncode == 3
    assert "no such file" in json.loads(result.stdout)[0]["reason"]


def test_stdout_carries_the_answer_alone(files):
    noisy = (
        "import os, kappatune.model.graphs as g\n"
        "build = g.build_graphs\n"
        "def loud(*a, **k):\n"
        "    print('python noise'); os.write(1, b'noise from C\\n'); return build(*a, **k)\n"
        "import kappatune.model.kappa_model as m; m.build_graphs = loud\n"
        "from kappatune.cli import main; main()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", noisy, "predict", str(files / "mgo.cif"), "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(json.loads(result.stdout)) == 1
    assert "noise from C" in result.stderr and "python noise" in result.stderr


def test_info_shows_the_card():
    result = kappatune("info")
    assert "accurate" in result.stdout and "aflow_agl.parquet" in result.stdout
    card = json.loads(kappatune("info", "accurate", "--json").stdout)
    assert card["schema_version"] == 3 and card["weights_sha256"]


def test_help_teaches():
    text = kappatune("predict", "--help").stdout
    assert "Exit code" in text and "kappatune predict" in text
    assert all(verb in kappatune("--help").stdout for verb in ("predict", "train", "info", "demo"))


@pytest.mark.slow
def test_finetune_on_ones_own_values(tmp_path):
    rows = textbook_table("learned").rows
    lines = [f"{row.crystal.id},{row.kappa},{VALUES.parent / (row.crystal.id + '.cif')}" for row in rows]
    (tmp_path / "mine.csv").write_text("id,kappa,file\n" + "\n".join(lines) + "\n")
    result = kappatune("train", "finetune.yaml", "--data", "mine.csv", "--out", "own", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["model"] == "own"
    again = kappatune("train", "finetune.yaml", "--data", "mine.csv", "--out", "own", cwd=tmp_path)
    assert again.returncode == 1 and "not empty" in again.stderr
    predicted = kappatune("predict", VALUES.parent / "SiC-3C.cif", "--model", "own", "--json", cwd=tmp_path)
    assert json.loads(predicted.stdout)[0]["kappa_w_mk"] > 100


@pytest.mark.slow
def test_demo_runs_and_shows_the_change():
    result = kappatune("demo")
    assert result.returncode == 0, result.stderr
    assert all(name in result.stdout for name in ("Si", "NaCl", "CsI", "before", "after"))


def test_import_is_light():
    code = (
        "import sys, kappatune; print(sorted({'torch', 'pymatgen', 'ase', 'lightning', 'pyarrow'} & set(sys.modules)))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
