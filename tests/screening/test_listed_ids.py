"""Materials Project ids in a table, scanned."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from kappatune.data import fetching
from kappatune.errors import BadSource
from kappatune.screening import screen
from kappatune.screening.layout import FETCHED
from kappatune.screening.sources import UNIT_SIZE, parse, units
from kappatune.structures import Crystal, Rejection
from tests.builders import rocksalt
from tests.providers import id_table


def rows_of(folder: Path) -> list[dict]:
    return ds.dataset(folder, format="parquet").to_table().to_pylist()


def fetched_crystals(source: str, folder: Path, filter: str | None = None) -> list[Crystal | Rejection]:
    return [entry for unit in units([source], folder, filter) for entry in parse(unit)]


# A provider that runs the reference implementation


@pytest.mark.slow
def test_listed_ids_become_rows_in_their_order(materials_project, tmp_path):
    table = id_table(tmp_path / "ids.csv", ["mp-5", "mp-9999", "mp-2", "", "silicon", "mvc-1", "mp-5"])
    result = screen(table, tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    assert (result.n_rows, result.n_answered) == (7, 4)
    assert [row["id"] for row in rows] == ["mp-5", "mp-9999", "mp-2", "ids#4", "silicon", "mvc-1", "mp-5"]
    assert rows[0]["volume_per_atom_a3"] == pytest.approx(4.005**3 / 8)
    assert rows[0]["file"] == "https://materialsproject.org/materials/mp-5" and rows[1]["file"] == table
    assert "row 2: the Materials Project does not know this id" in rows[1]["reason"]
    assert "row 5: not an id such as mp-149" in rows[4]["reason"]
    assert materials_project.asked == [["mp-5", "mp-9999", "mp-2", "mvc-1"]]
    assert screen(table, tmp_path / "out", resume=True) == result
    assert len(materials_project.asked) == 1


def test_batches_are_asked_once_and_failures_are_tried_again(materials_project, tmp_path, pauses):
    ids = [f"mp-{k}" for k in range(1, 2 * UNIT_SIZE)]
    table = id_table(tmp_path / "ids.csv", ids, column="id")
    down = "REST query returned with error status code 503"
    materials_project.fails = iter([None, *[down] * (1 + len(fetching.RETRY_DELAYS_S))])
    with pytest.raises(BadSource, match=f"from row {UNIT_SIZE + 1}: .*503; {UNIT_SIZE} rows are stored, and --resume"):
        list(units([table], tmp_path / FETCHED))
    assert pauses == list(fetching.RETRY_DELAYS_S) and materials_project.opened == 1
    materials_project.asked.clear()
    assert [entry.id for entry in fetched_crystals(table, tmp_path / FETCHED)] == ids
    assert materials_project.asked == [ids[UNIT_SIZE:]]
    pauses.clear()
    materials_project.fails = iter(["Valid API keys are 32 characters"])
    with pytest.raises(BadSource, match="32 characters"):
        list(units([table], tmp_path / "elsewhere"))
    assert not pauses


def test_what_the_client_needs_is_said(materials_project, tmp_path, monkeypatch):
    table = id_table(tmp_path / "ids.csv", ["mp-5"])
    monkeypatch.delenv("MP_API_KEY")
    monkeypatch.setattr("pymatgen.core.SETTINGS", {})
    with pytest.raises(BadSource, match="set MP_API_KEY"):
        list(units([table], tmp_path / FETCHED))
    monkeypatch.setitem(sys.modules, "mp_api.client", None)
    with pytest.raises(BadSource, match=r"pip install '\.\[mp\]' in a clone"):
        list(units([table], tmp_path / FETCHED))


def test_tables_of_structures_are_not_taken_for_ids(tmp_path):
    rocksalt(12, 8, 4.212, "MgO").to_pymatgen().to(filename=str(tmp_path / "a.cif"))
    table = tmp_path / "t.csv"
    table.write_text("material_id,id,file\nmp-1,mine,a.cif\n")
    assert [(e.id, e.formula) for e in fetched_crystals(str(table), tmp_path / FETCHED)] == [("mine", "MgO")]
    table.write_text("id,kappa\nmp-1,3\nmine,4\n")
    with pytest.raises(ValueError, match="column 'file' is missing"):
        fetched_crystals(str(table), tmp_path / FETCHED)
