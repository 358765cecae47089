"""Remarks on the page and in its API."""

from __future__ import annotations

import json

import pytest

from kappatune.structures.remarks import Remark
from tests.structures.test_stated_formula import DIFFERS
from tests.web.test_api import rows_of, upload

TEXT = DIFFERS["an element left out"][0]


def test_a_remark_of_reading_goes_from_the_file_to_the_row_to_the_explanation(client):
    (row,) = rows_of(client.post("/api/v1/predict", files=upload(("a.cif", TEXT))))
    assert Remark.of(row["remarks"][0]) is Remark.FORMULA
    lines = client.post(
        "/api/v1/predict", files=upload(("a.cif", TEXT)), headers={"accept": "application/x-ndjson"}
    ).text.splitlines()
    structure = json.loads(lines[0])["structure"]
    answer = client.post("/api/v1/explain", json=structure).json()
    assert answer["row"]["remarks"] == answer["row_300k"]["remarks"] == row["remarks"]


@pytest.mark.parametrize("remarks", [["x" * 2000], ["x"] * 50, "text", [1]])
def test_remarks_of_a_client_are_bounded(client, remarks):
    structure = {"lattice": [[4, 0, 0], [0, 4, 0], [0, 0, 4]], "species": ["Po"], "frac_coords": [[0, 0, 0]]}
    assert client.post("/api/v1/explain", json={**structure, "remarks": remarks}).status_code == 422
    kept = rows_of(
        client.post("/api/v1/predict?temperature_k=500", json={"structures": [{**structure, "remarks": ["?"]}]})
    )
    assert kept[0]["remarks"][0] == "?"
