"""Addresses of crystals, and the search by formula."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kappatune.model.kappa_model import KappaModel
from kappatune.model.label_index import LabelIndex
from kappatune.model.prediction import Prediction
from kappatune.screening.rows import SCHEMA, scan_rows
from kappatune.structures import Crystal, Rejection, read_content
from kappatune.structures.identity import structure_hash
from kappatune.web.formula_search import BadFormula, FormulaQuery
from kappatune.web.kept_crystals import FILE, BadKeep, KeptCrystals
from kappatune.web.scan_store import ScanStore
from tests.builders import rocksalt
from tests.web.test_api import MGO, upload
from tests.web.test_hostile import hostile

CHALCOPYRITE = Crystal(
    np.diag([3.7, 3.7, 5.2]),
    np.array([29, 26, 16, 16]),
    np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.25], [0, 0.5, 0.75]]),
    id="chalcopyrite",
)
"""Of its composition, not of its structure."""

NDJSON = {"Accept": "application/x-ndjson"}


def test_every_answer_has_an_address(client):
    files = upload(("mgo.vasp", hostile.POSCAR.replace("1.0", "1.001", 1)), ("bad.cif", "no cif"))
    whole = client.post("/api/v1/predict", files=files).json()
    lines = [json.loads(line) for line in client.post("/api/v1/predict", files=files, headers=NDJSON).text.splitlines()]
    key, none = whole["crystals"]
    assert none is None and [line["crystal"] for line in lines] == [key, None, None]
    assert client.post("/api/v1/explain", json=lines[0]["structure"]).json()["crystal"] == key
    found = client.get(f"/api/v1/crystals/{key}?temperature_k=600").json()
    assert found["crystal"] == key and found["structure"]["species"] == ["Mg", "O"] and found["jobs"] == []
    assert found["row"]["kappa_w_mk"] == pytest.approx(found["row_300k"]["kappa_w_mk"] / 2)
    assert found["kept"]["file"] == "mgo.vasp" and found["kept"]["first_answered"].endswith("Z")
    facts = found["facts"]
    assert (facts["space_group"], facts["space_group_number"], facts["formula"]) == ("Fm-3m", 225, "MgO")
    assert facts["density_g_cm3"] == pytest.approx(3.58, abs=0.05)
    cif = client.get(f"/api/v1/crystals/{key}/cif")
    (again,) = read_content(cif.content, "again.cif")
    assert again.formula == "MgO" and f"MgO-{key}.cif" in cif.headers["content-disposition"]
    page = client.get(f"/crystal/{key}")
    assert page.content == client.get("/").content and page.headers["content-type"].startswith("text/html")


def test_an_address_that_nobody_knows_says_what_to_do(client):
    answer = client.get("/api/v1/crystals/0000000000000000")
    assert answer.status_code == 404 and "send its file again" in answer.json()["detail"]
    assert client.get("/api/v1/crystals/not-a-hash").status_code == 422


def test_labelled_crystals_have_addresses_and_are_found(client):
    answer = client.get("/api/v1/search", params={"formula": "S2FeCu"}).json()
    assert answer["query"] == "CuFeS2" and answer["total"] == 1
    (found,) = answer["found"]
    assert found["where"] == "table" and found["formula"] == "CuFeS2" and found["fidelity"] == "experiment"
    assert found["table"] == "measured textbook values" and found["source"]
    assert client.get("/api/v1/search", params={"formula": "Cu2Fe2S4"}).json() == answer
    opened = client.get(f"/api/v1/crystals/{found['crystal']}").json()
    assert opened["facts"]["formula"] == "CuFeS2" and opened["crystal"] == found["crystal"]
    assert client.get(f"/api/v1/crystals/{found['crystal']}").json()["kept"]["name"] == found["id"]
    assert client.get("/api/v1/search", params={"formula": "FeCuS2"}).json() == answer, "opened, and found once"


def test_the_scan_and_kept_crystals_are_searched(client):
    rows = client.get("/api/v1/scan/rows?limit=500").json()["rows"]
    row = next(row for row in rows if FormulaQuery.read(row["formula"]).shown == row["formula"])
    found = client.get("/api/v1/search", params={"formula": row["formula"], "limit": 500}).json()["found"]
    scanned = [one for one in found if one["where"] == "scan"]
    assert any(one["part"] == row["part"] and one["row"] == row["row"] for one in scanned)
    client.post("/api/v1/predict", json={"structures": [MGO]})
    system = client.get("/api/v1/search", params={"formula": "O - Mg", "limit": 500}).json()
    assert system["query"] == "Mg-O" and any(one["where"] == "kept" and one["id"] for one in system["found"])
    assert len(client.get("/api/v1/search", params={"formula": "Mg-O", "limit": 1}).json()["found"]) == 1


def chalcopyrite_scan(folder: Path, formula: str) -> Path:
    """A finished scan of one crystal, whose formula is written in some way."""
    model = KappaModel.load("fast")
    (row,) = scan_rows(model, "dft", [CHALCOPYRITE], LabelIndex.of(model, [], []))
    folder.mkdir()
    table = pa.Table.from_pylist([row | {"formula": formula}], schema=SCHEMA)
    pq.write_table(table, folder / "part-000000.parquet")
    return folder


@pytest.mark.parametrize("spelling", ["FeCuS2", "CuFeS2"])
def test_a_scan_of_any_version_is_searched_and_its_crystals_have_addresses(tmp_path, spelling):
    scan = ScanStore(chalcopyrite_scan(tmp_path / "scan", spelling))
    total, (row,) = scan.find(FormulaQuery.read("CuFeS2"), 10, 20.0)
    assert total == 1 and row.id == "chalcopyrite" and scan.find(FormulaQuery.read("CuFe2S3"), 10, 20.0) == (0, [])
    assert scan.find(FormulaQuery.read("S-Fe-Cu"), 10, 20.0)[0] == 1
    found = scan.crystal_of(structure_hash(CHALCOPYRITE), 20.0)
    assert found.id == "chalcopyrite" and structure_hash(found) == structure_hash(CHALCOPYRITE)
    assert scan.crystal_of("0" * 16, 20.0) is None


@pytest.mark.parametrize("text", ["", "pbte", "Xx2", "Pb--Te", "Pb-Xx", "🙂", "Ca(", "H0", "1", "' OR 1=1 --"])
def test_what_is_no_formula_is_said(client, text):
    with pytest.raises(BadFormula, match="write a formula as PbTe"):
        FormulaQuery.read(text)
    assert client.get("/api/v1/search", params={"formula": text}).status_code == 422


@pytest.mark.parametrize(
    ("text", "shown", "key"),
    [("PbTe", "PbTe", "TePb"), ("Ca(OH)2", "Ca(OH)2", None), ("O1Mg1", "MgO", "MgO"), (" Te - Pb ", "Pb-Te", None)],
)
def test_formulas_are_read_in_any_order(text, shown, key):
    query = FormulaQuery.read(text)
    assert query.shown == shown and (key is None or query.key == key)


def crystal(k: int):
    return rocksalt(12, 8, 4.2 + 0.01 * k, f"MgO-{k}")


def answered(k: int) -> Prediction:
    return Prediction(id=f"MgO-{k}", formula="MgO", kappa_w_mk=50.0 + k)


def test_kept_crystals_survive_and_the_oldest_are_forgotten(tmp_path):
    kept = KeptCrystals(tmp_path / "kept", most=3)
    rejected = Rejection("bad", "no crystal")
    hashes = kept.add([crystal(0), rejected], [answered(0), Prediction(id="bad", reason="no crystal")], "dft")
    assert hashes == [structure_hash(crystal(0)), None]
    for k in range(1, 5):
        kept.add([crystal(k)], [answered(k)], "dft")
    kept.add([crystal(4)], [answered(9)], "dft")
    kept.close()
    again = KeptCrystals(tmp_path / "kept", most=3)
    assert again.survives and again.get(structure_hash(crystal(0))) is None
    assert again.get(structure_hash(crystal(4))).crystal.id == "MgO-4"
    total, found = again.find("MgO", None, 2)
    assert total == 3 and [one.kappa_w_mk for one in found] == [54.0, 53.0]
    assert again.find(None, "Mg-O", 9)[0] == 3 and again.find("NaCl", None, 9) == (0, [])
    again.close()


def test_where_nothing_can_be_kept_is_said_at_the_start(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadKeep, match="another --keep"):
        KeptCrystals(tmp_path / "file")
    (tmp_path / FILE).write_text("this is no database, whatever its name says" * 100)
    with pytest.raises(BadKeep, match="another --keep"):
        KeptCrystals(tmp_path)


def test_a_full_disk_stops_no_answer(tmp_path, caplog):
    kept = KeptCrystals(tmp_path)
    kept._connection.execute("PRAGMA query_only = ON")
    assert kept.add([crystal(1)], [answered(1)], "dft") == [structure_hash(crystal(1))]
    assert "cannot be kept" in caplog.text
