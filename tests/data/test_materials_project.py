from __future__ import annotations

import json
import sys

import pyarrow.parquet as pq
import pytest

from kappatune.cli import main
from kappatune.data import fetching
from kappatune.data import materials_project as module
from kappatune.data.materials_project import fetch_materials_project
from kappatune.data.table_writer import BadTarget, TableCounts, rejects_of
from kappatune.errors import BadSource
from kappatune.screening.sources import parse, units
from kappatune.structures.table import BadTable
from tests.providers import id_table


def test_listed_ids_become_a_table_that_can_be_scanned(materials_project, tmp_path):
    ids = tmp_path / "ids.csv"
    id_table(ids, ["mp-5", "mp-9999", "mp-2", "", "silicon", "mvc-1", "mp-5", ""])
    out = tmp_path / "pool.parquet"
    assert fetch_materials_project(out, ids) == TableCounts(rows=3, rejected=4, repeated=1)
    rows = pq.read_table(out).to_pylist()
    assert [row["id"] for row in rows] == ["mp-5", "mp-2", "mvc-1"]
    assert [(row["formula"], row["spacegroup"], row["source"]) for row in rows[:1]] == [
        ("MgO", 225, "Materials Project mp-5")
    ]
    rejects = [json.loads(line) for line in rejects_of(out).read_text().splitlines()]
    assert [row["id"] for row in rejects] == ["mp-9999", "ids#4", "silicon", "ids#8"]
    assert "does not know this id" in rejects[0]["reason"]
    scanned = [entry for unit in units([str(out)], tmp_path) for entry in parse(unit)]
    assert [(crystal.id, crystal.formula) for crystal in scanned] == [(id, "MgO") for id in ("mp-5", "mp-2", "mvc-1")]
    assert abs(scanned[0].volume - 4.005**3 / 4) < 1e-9
    assert fetch_materials_project(out, ids).rows == 3 and len(materials_project.asked) == 1


@pytest.mark.parametrize("column", ["id", "mp_id"])
def test_batches_are_asked_once_and_failures_are_tried_again(materials_project, tmp_path, pauses, monkeypatch, column):
    monkeypatch.setattr(module, "BATCH_SIZE", 4)
    ids = [f"mp-{k}" for k in range(1, 8)]
    id_table(tmp_path / "ids.csv", ids, column=column)
    down = "REST query returned with error status code 503"
    materials_project.fails = iter([None, *[down] * (1 + len(fetching.RETRY_DELAYS_S))])
    out = tmp_path / "pool.parquet"
    with pytest.raises(BadSource, match="503; 4 rows are stored, and the same command continues"):
        fetch_materials_project(out, tmp_path / "ids.csv")
    assert pauses == list(fetching.RETRY_DELAYS_S) and not out.exists()
    materials_project.asked.clear()
    assert fetch_materials_project(out, tmp_path / "ids.csv").rows == len(ids)
    assert materials_project.asked == [ids[4:]]


def test_what_is_no_list_of_ids_is_refused(materials_project, tmp_path):
    out = tmp_path / "pool.parquet"
    with pytest.raises(BadTable, match="no such file"):
        fetch_materials_project(out, tmp_path / "absent.csv")
    (tmp_path / "t.csv").write_text("id,file\nmp-1,a.cif\n")
    with pytest.raises(BadSource, match=r"not a list of ids: give a \.csv with a column 'material_id'"):
        fetch_materials_project(out, tmp_path / "t.csv")
    id_table(tmp_path / "ids.csv", ["mp-1"])
    fetch_materials_project(out, tmp_path / "ids.csv")
    id_table(tmp_path / "ids.csv", ["mp-2"])
    with pytest.raises(BadTarget, match="holds something else"):
        fetch_materials_project(out, tmp_path / "ids.csv")


def test_the_command_says_what_it_made_or_needs(materials_project, tmp_path, monkeypatch, capfd):
    table, out = id_table(tmp_path / "ids.csv", ["mp-1", "mp-9999"]), tmp_path / "pool.parquet"
    monkeypatch.setattr(sys, "argv", ["kappatune", "data", "fetch", "mp", "--ids", table, "--out", str(out)])
    with pytest.raises(SystemExit) as left:
        main()
    answered, told = capfd.readouterr()
    assert left.value.code == 0 and answered == f"{out}\n"
    assert f"entries that are not usable crystals: 1; {out}.rejects.jsonl gives the reasons\ncrystals: 1;" in told
    monkeypatch.delenv("MP_API_KEY")
    monkeypatch.setattr("pymatgen.core.SETTINGS", {})
    monkeypatch.setattr(sys, "argv", [*sys.argv[:-1], str(tmp_path / "other.parquet")])
    with pytest.raises(SystemExit) as left:
        main()
    answered, told = capfd.readouterr()
    assert left.value.code == 1 and not answered and "set MP_API_KEY" in told and "Traceback" not in told
