"""The import of Phonix, on small files made up in the documented form."""

from __future__ import annotations

import csv
import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kappatune.cli import main
from kappatune.data.phonix import entry_of, import_phonix
from kappatune.data.table_writer import BadTarget, TableCounts, rejects_of
from kappatune.errors import BadSource
from kappatune.structures import Rejection, read_table
from kappatune.structures.table import BadTable
from tests.builders import rocksalt, zincblende

MGO = rocksalt(12, 8, 4.2)
SI = zincblende(14, 14, 5.4)


def atoms(crystal, **changed):
    cell = {
        "numbers": crystal.numbers.tolist(),
        "positions": crystal.cartesian.tolist(),
        "cell": crystal.lattice.tolist(),
        "pbc": [True, True, True],
    }
    return json.dumps(cell | changed)


def summary_row(mp_id="mp-1", crystal=MGO, kappa=50.0, **changed):
    row = {
        "mp_id": mp_id,
        "unique_id": mp_id,
        "formula": crystal.formula,
        "spg_number": 225,
        "klat[W/mK]": kappa,
        "kp[W/mK]": kappa and 0.99 * kappa,
        "kc[W/mK]": kappa and 0.01 * kappa,
        "structure": atoms(crystal),
        "min_phfreq[cm^-1]": 0.0,
        "max_phfreq[cm^-1]": 700.0,
        "nac": 1,
        "scph": 0,
        "four": 0,
        "fc2_error[%]": 1.5,
        "fc3_error[%]": 3.0,
        "phdos[a.u.]": "[0.0, 1.0, 0.5]",
    }
    return row | changed


def write(path, rows):
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
        return path
    with path.open("w", newline="") as file:
        lines = csv.DictWriter(file, rows[0].keys())
        lines.writeheader()
        lines.writerows(rows)
    return path


def reasons(out):
    return {row["id"]: row["reason"] for row in map(json.loads, rejects_of(out).read_text().splitlines())}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_summary_becomes_a_table_to_train_on(tmp_path, suffix):
    rows = [
        summary_row(),
        summary_row("mp-2", SI, 120.0, spg_number=227, structure=atoms(SI)),
        summary_row("mp-3", kappa=None),
        summary_row("mp-1"),
    ]
    out = tmp_path / "phonix.parquet"
    assert import_phonix(out, write(tmp_path / f"summary{suffix}", rows)) == TableCounts(2, rejected=1, repeated=1)
    table = read_table(out)
    assert table.rejections == []
    mgo, si = table.rows
    assert (mgo.crystal.id, mgo.crystal.formula, mgo.kappa, mgo.fidelity) == ("mp-1", "MgO", 50.0, "dft")
    assert np.isclose(mgo.crystal.volume, MGO.volume) and mgo.source == "Phonix mp-1"
    assert mgo.properties["kappa_peierls_w_mk_300k"] == 49.5 and mgo.properties["fc3_error_percent"] == 3.0
    assert (si.crystal.formula, si.properties["spacegroup"]) == ("Si", 227)
    assert "no conductivity" in reasons(out)["mp-3"]


def test_the_earlier_csv_has_no_units_and_dictionaries_of_python(tmp_path):
    rows = [{"mp_id": "mp-1", "structure": str(json.loads(atoms(MGO))), "kp": 49.0, "kc": 1.0, "klat": 50.0}]
    out = tmp_path / "phonix.parquet"
    assert import_phonix(out, write(tmp_path / "data_all.csv", rows)).rows == 1
    (row,) = read_table(out).rows
    assert (row.crystal.formula, row.kappa) == ("MgO", 50.0)
    entry = entry_of({"mp_id": "mp-1", "kp": 2.0, "kc": 0.5, "structure": json.loads(atoms(MGO))}, 1, {})
    assert entry.row["kappa_w_mk_300k"] == 2.5, "a cell may hold the dictionary itself, and kappa only its parts"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"klat": -1.0}, "not above zero"),
        ({"klat": float("nan"), "kc": float("nan")}, "no conductivity"),
        ({"klat": 2e4, "kp": 2e4, "kc": 0.0}, "at most 10000"),
        ({"klat": 50.0, "kp": 5.0, "kc": 0.0}, "one of them is wrong"),
        ({"fc3_error": "14.2"}, "fc3_error is 14.2 %"),
        ({"four": 1}, "four-phonon scattering"),
        ({"scph": "True"}, "renormalised"),
        ({"structure": "Atoms(symbols='MgO')"}, "no dictionary"),
        ({"structure": "[1, 2]"}, "no dictionary"),
        ({"structure": '{"numbers": [12, 8], "cell": [1]}'}, "has no positions"),
        ({"structure": atoms(MGO, cell=[[1, 0, 0], [1, 0, 0], [0, 0, 1]])}, "not three vectors"),
        ({"structure": atoms(MGO, numbers=[12])}, "1 atomic numbers but 2 positions"),
        ({"structure": atoms(MGO, numbers=[12, 0])}, "not that of an element"),
        ({"structure": atoms(MGO, pbc=[True, True, False])}, "not periodic"),
        ({"formula": "CaO"}, "its structure is MgO, but its formula is CaO"),
        ({"structure": None}, "no structure inside, and there is none of mp-1"),
        ({"structure": float("nan")}, "give --structures"),
    ],
)
def test_a_row_that_does_not_fit_gets_its_reason(changed, reason):
    row = {name.split("[")[0]: value for name, value in summary_row().items()}
    entry = entry_of(row | changed, 7, {})
    assert isinstance(entry.row, Rejection) and reason in entry.row.reason and entry.row.reason.startswith("row 7: ")


def test_structures_come_by_materials_project_id(tmp_path):
    cifs = tmp_path / "cifs"
    cifs.mkdir()
    MGO.to_pymatgen().to(filename=str(cifs / "mp-1.cif"))
    SI.to_pymatgen().to(filename=str(cifs / "Si_mp-2_primitive.cif"))
    (cifs / "mp-3.cif").write_text("data_\n")
    rows = [summary_row(f"mp-{k}", crystal, structure="") for k, crystal in ((1, MGO), (2, SI), (3, MGO), (4, MGO))]
    summary = write(tmp_path / "summary.csv", rows)
    out = tmp_path / "phonix.parquet"
    assert import_phonix(out, summary, cifs) == TableCounts(rows=2, rejected=2)
    assert [row.crystal.id for row in read_table(out).rows] == ["mp-1", "mp-2"]
    assert "cannot be used: " in reasons(out)["mp-3"] and f"none of mp-4 in {cifs}" in reasons(out)["mp-4"]
    again = tmp_path / "again.parquet"
    assert import_phonix(again, summary, out).rows == 2, "a table with these ids serves as well"
    (tmp_path / "others").mkdir()
    MGO.to_pymatgen().to(filename=str(tmp_path / "others" / "mgo.cif"))
    with pytest.raises(BadSource, match="no crystal there has a Materials Project id"):
        import_phonix(tmp_path / "c.parquet", summary, tmp_path / "others")


def test_what_is_no_summary_is_refused(tmp_path):
    out = tmp_path / "phonix.parquet"
    with pytest.raises(BadTable, match="no such file"):
        import_phonix(out, tmp_path / "absent.csv")
    with pytest.raises(
        BadSource, match=r"not a summary of Phonix, without kc, kp, mp_id \(columns: id, kappa_w_mk_300k\)"
    ):
        import_phonix(out, write(tmp_path / "mine.csv", [{"id": "a", "kappa": 1}]))
    other_unit = [{"mp_id": "mp-1", "klat[mW/mK]": 1.0}]
    with pytest.raises(BadSource, match="klat is in mW/mK"):
        import_phonix(out, write(tmp_path / "unit.csv", other_unit))
    with pytest.raises(BadSource, match="none of the 1 entries"):
        import_phonix(out, write(tmp_path / "none.csv", [summary_row(kappa=None)]))
    huge = write(tmp_path / "huge.csv", [summary_row(formula="x" * 200_000)])
    with pytest.raises(BadTable, match="not a readable CSV"):
        import_phonix(out, huge)
    assert not out.exists()
    import_phonix(out, write(tmp_path / "one.csv", [summary_row()]))
    with pytest.raises(BadTarget, match="holds something else"):
        import_phonix(out, write(tmp_path / "two.csv", [summary_row("mp-2")]))


def test_the_command_says_what_it_made(tmp_path, monkeypatch, capfd):
    summary = write(tmp_path / "summary.csv", [summary_row(), summary_row("mp-2", kappa=None)])
    out = tmp_path / "phonix.parquet"
    monkeypatch.setattr(sys, "argv", ["kappatune", "data", "import", "phonix", str(summary), "--out", str(out)])
    with pytest.raises(SystemExit) as left:
        main()
    answered, told = capfd.readouterr()
    assert left.value.code == 0 and answered == f"{out}\n"
    assert f"entries that are not usable crystals: 1; {out}.rejects.jsonl gives the reasons\ncrystals: 1\n" in told
