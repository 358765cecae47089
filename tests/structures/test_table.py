from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kappatune.structures import Crystal, Rejection, read_crystals, read_table
from kappatune.structures.crystal import element_symbol
from kappatune.structures.table import BadTable
from tests.builders import rocksalt, zincblende


def as_row(crystal, kappa=10.0, **more):
    return {
        "id": crystal.id,
        "lattice": crystal.lattice.tolist(),
        "species": [element_symbol(z) for z in crystal.numbers.tolist()],
        "frac_coords": crystal.frac_coords.tolist(),
        "kappa_w_mk_300k": kappa,
        "fidelity": "dft",
        "source": "test",
        **more,
    }


ROWS = [
    as_row(rocksalt(12, 8, 4.212, "MgO"), 60.0, agl_debye=750.0, spacegroup=225),
    as_row(zincblende(14, 14, 5.431, "Si"), 148.0, agl_debye=None),
]


def write(path, rows):
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_rows_come_back_as_they_were(tmp_path, suffix):
    table = read_table(write(tmp_path / f"t{suffix}", ROWS))
    assert table.rejections == []
    assert [row.kappa for row in table.rows] == [60.0, 148.0]
    assert [row.crystal.formula for row in table.rows] == ["MgO", "Si"]
    assert np.allclose(table.rows[0].crystal.lattice, ROWS[0]["lattice"])
    assert table.rows[0].properties == {"agl_debye": 750.0, "spacegroup": 225.0}
    assert table.rows[1].properties == {}
    assert len(table.sha256) == 64


def test_csv_beside_structure_files(tmp_path):
    rocksalt(12, 8, 4.212).to_pymatgen().to(filename=str(tmp_path / "mgo.cif"))
    (tmp_path / "mine.csv").write_text(
        "id,kappa,file\na,55.5,mgo.cif\nb,,mgo.cif\nc,3,absent.cif\nd,-1,mgo.cif\ne,2,\n"
    )
    table = read_table(tmp_path / "mine.csv", default_fidelity="experiment")
    assert [(row.crystal.id, row.kappa, row.fidelity) for row in table.rows] == [("a", 55.5, "experiment")]
    reasons = {r.id: r.reason for r in table.rejections}
    assert "kappa_w_mk_300k" in reasons["b"] and "greater than 0" in reasons["d"]
    assert "no such file" in reasons["c"]
    assert "names no structure file" in reasons["e"]


def test_bad_rows_keep_their_place_and_say_why(tmp_path):
    broken = [
        as_row(rocksalt(12, 8, 4.212, "no-number"), float("nan")),
        as_row(rocksalt(12, 8, 4.212, "unknown-rung"), fidelity="guess"),
        {**as_row(rocksalt(12, 8, 4.212, "element")), "species": ["Mg", "Xx"]},
        {**as_row(rocksalt(12, 8, 4.212, "count")), "species": ["Mg"]},
        {**as_row(rocksalt(12, 8, 4.212, "overlap")), "frac_coords": [[0, 0, 0], [0, 0, 0.01]]},
    ]
    table = read_table(write(tmp_path / "t.jsonl", [ROWS[0], *broken]))
    assert len(table.rows) == 1
    reasons = {r.id: r.reason for r in table.rejections}
    assert list(reasons) == ["no-number", "unknown-rung", "element", "count", "overlap"]
    assert "row 2: kappa_w_mk_300k" in reasons["no-number"]
    assert "row 3: fidelity" in reasons["unknown-rung"]
    assert "site 2 is 'Xx'" in reasons["element"]
    assert "1 species but 2 frac_coords" in reasons["count"]
    assert "site 1 (Mg) and site 2 (O)" in reasons["overlap"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.parquet", "no parquet", "not a readable Parquet file"),
        ("t.csv", "id,file\na,b.cif\n", "columns 'fidelity', 'kappa_w_mk_300k' are missing .*'kappa' is taken"),
        ("t.csv", "id;kappa;file;fidelity\na;1;b.cif;dft\n", "separate the columns by commas"),
        ("t.csv", "id,kappa,fidelity\na,1,dft\n", "'file' is missing"),
        ("t.jsonl", "", "has no rows"),
        ("t.txt", "x", "a table is one of"),
    ],
)
def test_a_table_that_cannot_be_read(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(BadTable, match=message):
        read_table(tmp_path / name)


def test_a_broken_line_costs_no_other(tmp_path):
    good = json.dumps(ROWS[0])
    (tmp_path / "t.jsonl").write_text("\n".join(["\ufeff" + good, "{broken", "[1]", '{"id": "bare"}', good]) + "\n")
    table = read_table(tmp_path / "t.jsonl")
    assert [row.crystal.id for row in table.rows] == ["MgO", "MgO"]
    reasons = [r.reason for r in table.rejections]
    assert "row 2: not JSON" in reasons[0]
    assert "row 3: not a JSON object" in reasons[1]
    assert "row 4: lattice: Field required" in reasons[2]


def test_csv_rows_of_the_wrong_length(tmp_path):
    rocksalt(11, 17, 5.64).to_pymatgen().to(filename=str(tmp_path / "a.cif"))
    (tmp_path / "t.CSV").write_text("id,file,kappa,fidelity\n0,a.cif,6,5,dft\nshort\nfine,a.cif,6.5,dft\n\n")
    table = read_table(tmp_path / "t.CSV")
    assert [(row.crystal.id, row.kappa) for row in table.rows] == [("fine", 6.5)]
    assert "write 6.5, not 6,5" in table.rejections[0].reason
    assert table.rejections[1].id == "short" and "names no structure file" in table.rejections[1].reason


def test_a_formula_of_the_wrong_type_is_ignored(tmp_path):
    bad = {**ROWS[0], "formula": 12, "species": ["Mg", "Xx"], "id": 0}
    (entry,) = read_crystals([write(tmp_path / "t.jsonl", [bad])])
    assert isinstance(entry, Rejection) and entry.formula is None and entry.id == "0"


def test_globs_take_tables(tmp_path):
    write(tmp_path / "a.jsonl", ROWS)
    assert len(list(read_crystals([str(tmp_path / "*.jsonl")]))) == 2


def test_missing_file_is_named(tmp_path):
    with pytest.raises(BadTable, match=r"nothing\.parquet: no such file"):
        read_table(tmp_path / "nothing.parquet")


def test_tables_are_sources_of_crystals(tmp_path):
    unlabelled = [{k: row[k] for k in ("id", "lattice", "species", "frac_coords")} for row in ROWS]
    entries = list(read_crystals([write(tmp_path / "pool.parquet", unlabelled)]))
    assert [entry.id for entry in entries] == ["MgO", "Si"]
    (tmp_path / "bad.parquet").write_text("no")
    (refusal,) = read_crystals([tmp_path / "bad.parquet"])
    assert isinstance(refusal, Rejection) and "Parquet" in refusal.reason
    (tmp_path / "empty.csv").write_text("id,kappa,file\n")
    (refusal,) = read_crystals([tmp_path / "empty.csv"])
    assert isinstance(refusal, Rejection) and "no rows" in refusal.reason


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5), lambda c: st.lists(c, max_size=3), max_leaves=8
)


@settings(max_examples=60, deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys([*ROWS[0], "formula"], json_values)))
def test_any_json_row_is_a_row_or_a_reason(tmp_path_factory, row):
    path = write(tmp_path_factory.mktemp("any") / "t.jsonl", [row])
    table = read_table(path)
    assert len(table.rows) + len(table.rejections) == 1
    assert all(isinstance(r.crystal, Crystal) for r in table.rows)
    assert all(r.formula is None or isinstance(r.formula, str) for r in table.rejections)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("file", "n_rows"), [("l96", 95), ("hh143", 143), ("aflow_agl", 5029), ("semiempirical", 1065)]
)
def test_research_tables_load_as_they_are(shared_data, file, n_rows):
    table = read_table(shared_data / f"{file}.parquet")
    assert (len(table.rows), len(table.rejections)) == (n_rows, 0)


@pytest.mark.shared
def test_the_unlabelled_pool_loads_as_it_is(shared_data):
    entries = list(read_crystals([shared_data / "phonondb_pool.parquet"]))
    assert len(entries) == 10034
    assert all(isinstance(entry, Crystal) for entry in entries)
