from __future__ import annotations

import io
import json
import math
import zipfile

import pytest
from starlette.testclient import TestClient

from kappatune.model.prediction import Prediction
from kappatune.web.app import create_app, page_files
from tests.web import hostile

MGO = {
    "id": "MgO",
    "lattice": [[0, 2.106, 2.106], [2.106, 0, 2.106], [2.106, 2.106, 0]],
    "species": ["Mg", "O"],
    "frac_coords": [[0, 0, 0], [0.5, 0.5, 0.5]],
}


def upload(*files: tuple[str, bytes | str]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("files", (name, text.encode() if isinstance(text, str) else text)) for name, text in files]


def rows_of(answer) -> list[dict]:
    assert answer.status_code == 200, answer.text
    return answer.json()["rows"]


def archive(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for name, text in files.items():
            out.writestr(name.replace("__", "/"), text)
    return buffer.getvalue()


def test_files_and_structures_and_the_command_line_agree(client, service):
    by_file = rows_of(client.post("/api/v1/predict", files=upload(("POSCAR", hostile.POSCAR))))
    by_text = rows_of(client.post("/api/v1/predict", json={"files": [{"text": hostile.POSCAR}]}))
    by_structure = rows_of(client.post("/api/v1/predict", json={"structures": [MGO]}))
    said = service.model.predict(hostile_crystal("mgo.vasp", hostile.POSCAR))[0]
    for rows in (by_file, by_text, by_structure):
        assert [row["formula"] for row in rows] == ["MgO"]
        assert rows[0]["kappa_w_mk"] == pytest.approx(said.kappa_w_mk, rel=1e-5)
        assert list(rows[0]) == list(Prediction.model_fields)


def hostile_crystal(name: str, text: str):
    from kappatune.structures.files import read_content

    return list(read_content(text.encode(), name))


def test_every_file_has_its_row_in_order(client):
    zipped = archive(a__POSCAR=hostile.POSCAR, **{"broken.cif": "data_x\n_cell_length_a 4\n"})
    rows = rows_of(
        client.post(
            "/api/v1/predict",
            files=upload(
                ("one.cif", hostile.CIF), ("bad.cif", "no cif"), ("all.zip", zipped), ("two.extxyz", hostile.EXTXYZ * 2)
            ),
        )
    )
    assert [row["file"] for row in rows] == ["one.cif", "bad.cif", "a/POSCAR", "broken.cif", "two.extxyz", "two.extxyz"]
    assert [row["kappa_w_mk"] is not None for row in rows] == [True, False, True, False, True, True]
    assert "data_" in rows[1]["reason"] and "_cell_length_b" in rows[3]["reason"]
    assert rows[2]["id"] == "a/POSCAR" and rows[5]["id"] == "two#2"


def test_a_stream_tells_progress_and_structures(client):
    files = upload(*[(f"{k}.vasp", hostile.POSCAR) for k in range(40)], ("bad.cif", ""))
    answer = client.post("/api/v1/predict", files=files, headers={"Accept": "application/x-ndjson"})
    lines = [json.loads(line) for line in answer.text.splitlines()]
    rows = [line for line in lines if line["row"]]
    assert [line["row"]["id"] for line in rows] == [str(k) for k in range(40)] + ["bad"]
    assert [line["files_done"] for line in lines] == sorted(line["files_done"] for line in lines)
    assert lines[-1] == {"files_done": 41, "files": 41, "row": None, "structure": None, "crystal": None, "error": None}
    assert rows[0]["structure"]["species"] == ["Mg", "O"] and rows[-1]["structure"] is None


def test_temperature_and_rung(client):
    body = {"structures": [MGO]}
    at = {t: rows_of(client.post(f"/api/v1/predict?temperature_k={t}", json=body))[0] for t in (300, 600)}
    assert at[600]["kappa_w_mk"] == pytest.approx(at[300]["kappa_w_mk"] / 2)
    agl = rows_of(client.post("/api/v1/predict?fidelity=agl", json={"structures": [MGO]}))[0]
    assert agl["kappa_w_mk"] != at[300]["kappa_w_mk"]
    unknown = client.post("/api/v1/predict?fidelity=gold", json={"structures": [MGO]})
    assert unknown.status_code == 422 and "knows agl, dft" in unknown.json()["detail"]
    assert client.post("/api/v1/predict?temperature_k=-1", json={"structures": [MGO]}).status_code == 422


def test_contributions_multiply_up_to_the_answer(client):
    for fidelity in ("agl", "dft"):
        answer = client.post(f"/api/v1/explain?fidelity={fidelity}", json=MGO).json()
        why = answer["contributions"]
        product = why["typical_w_mk"] * math.prod(term["factor"] for term in why["terms"])
        assert product == pytest.approx(answer["row_300k"]["kappa_w_mk"], rel=1e-9)
        correction = next(term for term in why["terms"] if term["quantity"] == "correction")["factor"]
        assert (abs(correction - 1) < 1e-4) == (fidelity == "agl")
        assert {term["words"] for term in why["terms"]} >= {"light atoms", "stiff bonds", "few atoms per cell"}


def test_the_curve_begins_where_the_law_does(client):
    answer = client.post("/api/v1/explain", json=MGO).json()
    assert answer["curve"][0]["temperature_k"] == pytest.approx(answer["classical_from_k"])
    for point in answer["curve"]:
        assert point["kappa_w_mk"] * point["temperature_k"] == pytest.approx(answer["row_300k"]["kappa_w_mk"] * 300)
        assert point["lower_w_mk"] < point["kappa_w_mk"] < point["upper_w_mk"]


def test_a_labelled_crystal_is_its_own_nearest(client):
    cif = page_files()["/examples/Si.cif"][0].decode()
    files = {"Accept": "application/x-ndjson"}
    line = json.loads(client.post("/api/v1/predict", files=upload(("Si.cif", cif)), headers=files).text.splitlines()[0])
    nearest = client.post("/api/v1/explain", json=line["structure"]).json()["nearest"]
    assert nearest[0]["formula"] == "Si" and nearest[0]["distance"] < 1e-3 and nearest[0]["source"]
    assert [n["distance"] for n in nearest] == sorted(n["distance"] for n in nearest)


def test_what_cannot_be_explained_says_why(client):
    answer = client.post("/api/v1/explain", json={**MGO, "species": ["Mg", "Qq"]})
    assert answer.status_code == 422 and "Qq" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({"content": b"x", "headers": {"content-type": "text/plain"}}, 415, "multipart"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 422, "JSON"),
        ({"json": {}}, 422, "no structure"),
        ({"json": {"structures": [{**MGO, "path": "/etc"}]}}, 422, "path"),
        ({"files": [("document", ("a.cif", b"x"))]}, 422, "'files'"),
        ({"files": [("files", ("a.cif", b"x"))] * 301}, 413, "300 files"),
        ({"json": {"structures": [MGO] * 1001}}, 413, "1,000 crystals"),
        ({"files": [("files", ("a.extxyz", hostile.EXTXYZ.encode() * 1001))]}, 413, "1,000 crystals"),
        ({"content": b"x" * (12 * 2**20 + 1), "headers": {"content-type": "application/json"}}, 413, "12 MiB"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 422, "boundary"),
    ],
)
def test_requests_out_of_bounds_get_a_sentence(client, body, status, word):
    answer = client.post("/api/v1/predict", **body)
    assert answer.status_code == status, answer.text
    assert word in answer.json()["detail"]


def test_a_body_of_unknown_length_is_bounded_too(client):
    pieces = (b"x" * 2**20 for _ in range(40))
    answer = client.post("/api/v1/predict", content=pieces, headers={"content-type": "application/json"})
    assert answer.status_code == 413


def test_large_cells_and_large_files_are_rows_with_reasons(client):
    many = "Po\n1.0\n{0} 0 0\n0 {0} 0\n0 0 {0}\nPo\n{1}\nDirect\n{2}\n"
    places = "\n".join(f"{k // 169 / 13:.4f} {k // 13 % 13 / 13:.4f} {k % 13 / 13:.4f}" for k in range(13**3))
    large, dense = many.format(40, 13**3, places), many.format(15, 1900, places)
    rows = rows_of(client.post("/api/v1/predict", files=upload(("a.vasp", large), ("b.vasp", dense))))
    assert "2,197 atoms" in rows[0]["reason"] and rows[0]["formula"] == "Po"
    assert "neighbours" in rows[1]["reason"] and rows[1]["kappa_w_mk"] is None
    (row,) = rows_of(client.post("/api/v1/predict", files=upload(("big.cif", b"#" * (4 * 2**20 + 1)))))
    assert "4 MiB" in row["reason"]


def test_bombs_are_refused(client):
    many = dict(hostile.uploads())
    for name, word in (("bomb.zip", "inflates"), ("bombs.zip", "inflates"), ("crowd.zip", "300 files")):
        answer = client.post("/api/v1/predict", files=upload((name, many[name])))
        assert answer.status_code == 413 and word in answer.json()["detail"], name
    (row,) = rows_of(client.post("/api/v1/predict", files=upload(("n.zip", many["nested.zip"]))))
    assert "archive inside an archive" in row["reason"]


def test_scan_pages_filter_and_sort(client, scan_folder):
    import duckdb

    about = client.get("/api/v1/scan").json()
    assert (about["n_rows"], about["n_answered"], about["complete"]) == (3000, 2970, True)
    assert about["reasons"] == [{"reason": "made up to have no answer", "n": 30}]
    query = "elements=O&without=Fe&kappa_min=2&kappa_max=20&domain=inside"
    page = client.get(f"/api/v1/scan/rows?{query}&order=kappa_w_mk&descending=true&limit=10").json()
    expected = duckdb.sql(
        f"SELECT id FROM '{scan_folder}/part-*.parquet' WHERE list_contains(elements, 'O') AND NOT "
        "list_contains(elements, 'Fe') AND kappa_w_mk BETWEEN 2 AND 20 AND in_domain ORDER BY kappa_w_mk DESC"
    ).fetchall()
    assert page["total"] == len(expected) > 10
    assert [row["id"] for row in page["rows"]] == [id for (id,) in expected[:10]]
    second = client.get(f"/api/v1/scan/rows?{query}&order=kappa_w_mk&descending=true&limit=10&offset=10").json()
    assert [row["id"] for row in second["rows"]] == [id for (id,) in expected[10:20]]
    summary = client.get(f"/api/v1/scan/summary?{query}").json()
    assert summary["total"] == sum(b["n"] for b in summary["histogram"]) == len(expected) == summary["elements"]["O"]
    points = client.get(f"/api/v1/scan/points?{query}&x=gruneisen").json()
    assert points["total"] == len(points["points"]) == len(expected)
    first = page["rows"][0]
    whole = client.get(f"/api/v1/scan/crystal?part={first['part']}&row={first['row']}").json()
    assert whole["id"] == first["id"] and len(whole["numbers"]) == first["n_atoms"]


def test_scan_queries_are_data(client):
    injected = client.get("/api/v1/scan/rows", params={"find": "' OR 1=1; DROP TABLE crystals; --"})
    assert injected.status_code == 200 and injected.json()["total"] == 0
    for query in ("order=kappa_w_mk;DROP", "elements=O'--", "limit=0", "nonsense=1", "elements=O&without=O"):
        answer = client.get(f"/api/v1/scan/rows?{query}")
        assert answer.status_code == 422 and isinstance(answer.json()["detail"], str), query
    assert client.get("/api/v1/scan/crystal?part=99999&row=0").status_code == 404
    assert client.get("/api/v1/scan/rows").json()["total"] == 2970


def test_strangers_are_refused(client):
    assert client.get("/healthz", headers={"Host": "evil.example"}).status_code == 403
    assert client.get("/api/v1/model", headers={"Host": "127.0.0.1.evil.example"}).status_code == 403
    for host in ("localhost", "127.0.0.1:9", "[::1]:8000"):
        assert client.get("/healthz", headers={"Host": host}).status_code == 200
    answer = client.post("/api/v1/predict", json={"structures": [MGO]}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


def test_a_token_guards_the_api_and_not_the_page(service):
    guarded = TestClient(create_app(service, token="s3cret"), base_url="http://localhost")
    assert [guarded.get(path).status_code for path in ("/", "/app.js", "/healthz")] == [200] * 3
    assert guarded.get("/api/v1/model").status_code == 401
    assert guarded.get("/api/v1/model", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert guarded.get("/api/v1/model", headers={"Authorization": "Bearer s3cret"}).status_code == 200


LINKED = "https://materialsproject.org/materials/"
"""What the page links to and never fetches."""


def test_the_page_holds_no_inline_script_and_nothing_from_elsewhere(client):
    page = client.get("/")
    policy = page.headers["content-security-policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy and "default-src 'none'" in policy
    files = page_files()
    assert sum(len(content) for content, _ in files.values()) < 3e6
    for path, (content, kind) in files.items():
        text = content.decode().replace(LINKED, "")
        if "vendor" in path:
            continue
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "https://", " style="):
            assert word not in text, (path, word)
        if kind.startswith("text/html"):
            assert "<script>" not in text and " on" not in "".join(text.split("<")[1:]).split(">")[0]
    assert client.get("/index.html").status_code == 404 and client.get("/../pyproject.toml").status_code == 404


def test_openapi_has_examples_and_every_reference_resolves(client):
    text = client.get("/openapi.json").text
    schema = json.loads(text)
    body = schema["paths"]["/api/v1/predict"]["post"]["requestBody"]["content"]
    example = body["application/json"]["examples"]["file"]["value"]
    assert rows_of(client.post("/api/v1/predict", json=example))[0]["formula"] == "MgO"
    for reference in {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}:
        assert reference in schema["components"]["schemas"]


def test_the_model_card_is_served(client, service):
    model = client.get("/api/v1/model").json()
    assert model["name"] == service.model.card.name and model["has_scan"]
    assert {one["fidelity"] for one in model["evidence"]["calibration"]} == {"agl", "dft", "experiment"}
    assert "was checked on formulas the model was not trained on" in model["rungs"][0]["interval"]
    labels = client.get("/api/v1/labels").json()
    assert len(labels["values"]) == sum(table["n"] for table in labels["tables"]) > 1600
