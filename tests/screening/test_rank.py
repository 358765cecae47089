from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from kappatune.cli import app
from kappatune.screening import BadScan, rank, write_cifs
from kappatune.screening.layout import scan_is_complete
from kappatune.settings import BadSettings
from kappatune.structures import Crystal, read_crystals
from kappatune.structures.crystal import element_symbol
from kappatune.structures.identity import anonymous_formula_of
from tests.builders import FCC, rocksalt, supercell, zincblende

DOC = Path(__file__).parents[2] / "docs" / "screening-sql.md"
STRINGS, DOUBLES = pa.list_(pa.string()), pa.list_(pa.float64())
SCHEMA = pa.schema(
    {
        **dict.fromkeys(["id", "file", "formula", "anonymous_formula"], pa.string()),
        "n_atoms": pa.int32(),
        "elements": STRINGS,
        **dict.fromkeys(["mean_mass_u", "volume_per_atom_a3", "kappa_w_mk", "lower_w_mk", "upper_w_mk"], pa.float64()),
        "debye_temperature_k": pa.float64(),
        "gruneisen": pa.float64(),
        "members_w_mk": DOUBLES,
        "in_domain": pa.bool_(),
        "reason": pa.string(),
        "structure_hash": pa.string(),
        "known_rungs": STRINGS,
        "lattice": DOUBLES,
        "numbers": pa.list_(pa.int32()),
        "frac_coords": DOUBLES,
    }
)


def scanned(crystal: Crystal, members: list[float], **other: object) -> dict[str, object]:
    numbers, counts = np.unique(crystal.numbers, return_counts=True)
    kappa = float(np.exp(np.log(members).mean()))
    elements = sorted(element_symbol(int(z)) for z in numbers)
    return {
        "id": crystal.id,
        "formula": crystal.formula,
        "anonymous_formula": anonymous_formula_of("".join(f"{s}{n}" for s, n in zip(elements, counts, strict=True))),
        "n_atoms": crystal.n_atoms,
        "elements": elements,
        "mean_mass_u": 100.0,
        "volume_per_atom_a3": crystal.volume / crystal.n_atoms,
        "kappa_w_mk": kappa,
        "lower_w_mk": kappa / 1.5,
        "upper_w_mk": kappa * 1.5,
        "members_w_mk": members,
        "in_domain": True,
        "structure_hash": f"hash of {crystal.id}",
        "known_rungs": [],
        "lattice": crystal.lattice.ravel().tolist(),
        "numbers": crystal.numbers.tolist(),
        "frac_coords": crystal.frac_coords.ravel().tolist(),
    } | other


def write_scan(folder: Path, *parts: list[dict[str, object]], complete: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for index, rows in enumerate(parts):
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), folder / f"part-{index:06d}.parquet")
    (folder / "_scan.json").write_text("{}")
    if complete:
        (folder / "_manifest.json").write_text("{}")
    return folder


FLUORITE = Crystal(
    FCC * 5.463, np.array([20, 9, 9]), np.array([[0.0, 0, 0], [0.25, 0.25, 0.25], [0.75, 0.75, 0.75]]), id="CaF2"
)
MGO, PBTE, NACL = rocksalt(12, 8, 4.212, "MgO"), rocksalt(82, 52, 6.46, "PbTe"), rocksalt(11, 17, 5.64, "NaCl")
SI, CSI = zincblende(14, 14, 5.431, "Si"), rocksalt(55, 53, 7.6, "CsI")
BIG = supercell(rocksalt(82, 16, 5.936, "PbS"), (2, 2, 1))


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """Six crystals by rising conductivity: CsI, PbTe, PbS, NaCl, CaF2, MgO; Si is without an answer."""
    return write_scan(
        tmp_path_factory.mktemp("scans") / "scan [1] *",
        [
            scanned(MGO, [50.0, 60.0, 70.0], known_rungs=["agl", "dft"], debye_temperature_k=900.0, gruneisen=1.4),
            scanned(CSI, [0.5, 0.6, 0.97], in_domain=False, reason="out of it"),
            scanned(FLUORITE, [9.0, 9.5, 10.0], file="caf2.cif"),
        ],
        [
            scanned(SI, [1.0], kappa_w_mk=None, members_w_mk=None, reason="no neighbours"),
            scanned(PBTE, [0.7, 0.71, 0.72], known_rungs=["dft"]),
            scanned(BIG, [0.8, 0.9, 1.0]),
            scanned(NACL, [6.0, 6.5, 7.0]),
        ],
    )


def ids(folder: Path, **settings: object) -> list[str]:
    return [row.id for row in rank(folder, **settings)]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "CsI PbTe PbS NaCl CaF2 MgO"),
        ({"order": "highest"}, "MgO CaF2 NaCl PbS PbTe CsI"),
        ({"order": "highest", "n": 2}, "MgO CaF2"),
        ({"elements": ("Pb",)}, "PbTe PbS"),
        ({"elements": ("Te", "Pb")}, "PbTe"),
        ({"without": ("Pb", "I")}, "NaCl CaF2 MgO"),
        ({"elements": ("Pb",), "without": ("Te",)}, "PbS"),
        ({"min_atoms": 3}, "PbS CaF2"),
        ({"max_atoms": 2}, "CsI PbTe NaCl MgO"),
        ({"min_atoms": 3, "max_atoms": 3}, "CaF2"),
        ({"max_upper": 1.2}, "CsI PbTe"),
        ({"min_lower": 6.0}, "CaF2 MgO"),
        ({"in_domain_only": True, "n": 1}, "PbTe"),
        ({"prototypes": ("AB2",)}, "CaF2"),
        ({"prototypes": ("Li2O", "ABX3")}, "CaF2"),
        ({"novel": True}, "CsI PbS NaCl CaF2"),
        ({"agree_below": 1.0}, "PbTe CsI"),  # PbS: its highest member is not below 1
        ({"agree_below": 1.01}, "PbTe PbS CsI"),
        ({"agree_below": 100.0, "order": "highest"}, "PbTe CaF2 NaCl PbS MgO CsI"),
        ({"agree_below": 1e-3}, ""),
    ],
)
def test_filters_and_orders(scan, settings, expected):
    assert ids(scan, **settings) == expected.split()


def test_a_row_carries_its_own_numbers(scan):
    (row,) = rank(scan, order="highest", n=1)
    assert (row.formula, row.n_atoms, row.max_member_w_mk) == ("MgO", 2, 70.0)
    assert row.relative_spread == pytest.approx(10 / 60)
    assert (row.debye_temperature_k, row.gruneisen, row.known_rungs) == (900.0, 1.4, ("agl", "dft"))
    assert row.lower_w_mk < row.kappa_w_mk < row.upper_w_mk
    assert not {"lattice", "numbers", "frac_coords"} & row.model_dump().keys()
    crystal = row.crystal()
    assert crystal.id == "MgO"
    for name in ("lattice", "numbers", "frac_coords"):
        assert np.array_equal(getattr(crystal, name), getattr(MGO, name))


def test_spread_of_one_member_is_unknown_and_comes_last(tmp_path):
    scan = write_scan(tmp_path / "s", [scanned(MGO, [1.0]), scanned(NACL, [1.0, 3.0])])
    assert [(row.id, row.relative_spread is None) for row in rank(scan, agree_below=9.0)] == [
        ("NaCl", False),
        ("MgO", True),
    ]


def test_numbers_that_are_none_do_not_rank(tmp_path):
    rows = [scanned(MGO, [1.0, 2.0], kappa_w_mk=float("nan")), scanned(PBTE, [1.0, float("nan")], kappa_w_mk=1.0)]
    assert ids(write_scan(tmp_path / "s", rows), agree_below=5.0) == []
    assert ids(tmp_path / "s") == ["PbTe"]


def test_equal_structures_appear_once_and_unhashed_ones_stay(tmp_path):
    def one(id: str, kappa: float, key: str | None) -> dict[str, object]:
        return scanned(rocksalt(12, 8, 4.2, id), [kappa, kappa], structure_hash=key)

    first = [one("c", 2.0, "x"), one("b", 1.0, "x"), one("e", 3.0, None)]
    scan = write_scan(tmp_path / "s", first, [one("a", 1.0, "x"), one("d", 3.0, None), one("f", 9.0, "y")])
    assert ids(scan) == ["a", "d", "e", "f"]
    assert ids(scan, order="highest") == ["f", "d", "e", "c"]
    assert ids(scan, diverse=True) == ["a", "d", "e", "f"]


def test_more_duplicates_than_a_page_holds(tmp_path):
    same = {"structure_hash": "x", "file": "many"}
    rows = [scanned(MGO, [1.0, 1.0], id=f"{n:05d}", **same) for n in range(2500)]
    assert ids(write_scan(tmp_path / "s", rows, [scanned(NACL, [5.0, 5.0])]), n=2) == ["00000", "NaCl"]


def test_diverse_takes_each_set_of_elements_once_and_no_element_too_often(tmp_path):
    pairs = [(55, 53), (55, 53), (55, 35), (81, 53), (82, 52), (82, 34), (11, 17), (12, 8)]
    rows = [scanned(rocksalt(a, b, 6.0, f"{n}"), [1.0 + n] * 2) for n, (a, b) in enumerate(pairs)]
    scan = write_scan(tmp_path / "s", rows[::-1])
    # four places: each element at most once, so 2 (Cs again), 3 (I again) and 5 (Pb again) wait
    assert ids(scan, diverse=True, n=4) == ["0", "4", "6", "7"]
    # five places: 2 is the best of those that wait; seven: all of them come before the second CsI
    assert ids(scan, diverse=True, n=5) == ["0", "2", "4", "6", "7"]
    assert ids(scan, diverse=True, n=7) == ["0", "2", "3", "4", "5", "6", "7"]
    # eight places: the second CsI fills the last
    assert ids(scan, diverse=True, n=8) == [str(n) for n in range(8)]
    # required elements do not count
    assert ids(scan, diverse=True, n=2, elements=("Pb",)) == ["4", "5"]
    # the agreement rule's order is walked as well
    assert ids(scan, diverse=True, n=2, agree_below=3.5, order="highest") == ["2", "1"]


def test_cifs_read_back(scan, tmp_path):
    rows = rank(scan)
    paths = write_cifs(rows, tmp_path / "new" / "winners")
    assert [path.name for path in paths][:3] == ["001_CsI_CsI.cif", "002_PbTe_PbTe.cif", "003_PbS_PbS.cif"]
    for row, crystal in zip(rows, read_crystals([tmp_path / "new" / "winners"]), strict=True):
        assert isinstance(crystal, Crystal), crystal
        assert crystal.formula == row.formula
        assert crystal.numbers.tolist() == list(row.numbers)
        assert crystal.volume == pytest.approx(row.crystal().volume, rel=1e-7)
        apart = crystal.frac_coords - row.crystal().frac_coords
        assert np.abs(apart - np.round(apart)).max() < 1e-7


HOSTILE = ["../../etc/x", "/abs", "..", "", "a\nb\x1b[31m", "CON", "x" * 500, "κ / 'q' \"; rm", ".hidden", "C:\\x|y?*"]


def test_cif_names_are_safe_whatever_the_id(tmp_path):
    rows = [scanned(rocksalt(12, 8, 4.2, id), [n + 1.0] * 2, structure_hash=None) for n, id in enumerate(HOSTILE)]
    folder = tmp_path / "deep" / "winners"
    paths = write_cifs(rank(write_scan(tmp_path / "s", rows)), folder)
    assert sorted(paths) == sorted(folder.iterdir()) == sorted(folder.rglob("*")) and len({*paths}) == len(HOSTILE)
    assert all(re.fullmatch(r"\d{3}_MgO(_[\w.-]{1,80})?\.cif", path.name, re.ASCII) for path in paths)
    assert paths[0].name == "001_MgO_etc-x.cif" and paths[3].name == "004_MgO.cif"
    assert all(isinstance(crystal, Crystal) for crystal in read_crystals([folder]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"elements": ("Xx",)}, "'Xx' is not a chemical element"),
        ({"without": ("O'); DROP TABLE scan; --",)}, "is not a chemical element"),
        ({"elements": ("Pb",), "without": ("Pb",)}, "Pb cannot be both"),
        ({"min_atoms": 5, "max_atoms": 4}, "at least 5 and at most 4"),
        ({"prototypes": ("A2A",)}, "letter twice"),
        ({"prototypes": ("ab",)}, "is not a formula"),
        ({"n": 0}, "greater than or equal to 1"),
        ({"max_upper": float("nan")}, "finite"),
        ({"order": "id"}, "lowest"),
    ],
)
def test_settings_that_cannot_be_met_are_refused(settings, message):
    with pytest.raises(BadSettings, match=re.escape(message)):
        rank("no scan is read before", **settings)


def test_an_unknown_filter_is_refused(scan):
    with pytest.raises(TypeError, match="unknown"):
        rank(scan, unknown=1)


def test_anonymous_formulas_have_one_spelling():
    spellings = {"AB2": "AB2 B2A A2B4 CaF2 H2O", "A": "Si A2", "AB": "NaCl CO", "ABC3": "ABX3 X3AB CaTiO3"}
    for expected, given in spellings.items():
        assert {anonymous_formula_of(formula) for formula in given.split()} == {expected}


def test_folders_that_are_no_scan(scan, tmp_path):
    def message(folder: Path) -> str:
        with pytest.raises(BadScan) as caught:
            rank(folder)
        return str(caught.value)

    assert "no such folder" in message(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    assert "not the folder of a scan" in message(tmp_path / "file")
    assert "no part-*.parquet" in message(write_scan(tmp_path / "empty"))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "part-0.parquet").write_bytes(b"no Parquet at all")
    assert "cannot be read" in message(tmp_path / "broken")
    (tmp_path / "other").mkdir()
    table = pq.read_table(scan / "part-000000.parquet")
    pq.write_table(table.drop_columns(["members_w_mk", "elements"]), tmp_path / "other" / "part-0.parquet")
    assert "column 'elements', 'members_w_mk' is missing" in message(tmp_path / "other")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "other" / "part-1.parquet")
    pq.write_table(table, tmp_path / "other" / "part-0.parquet")
    assert "cannot be read" in message(tmp_path / "other")


def test_an_unfinished_scan_ranks_but_says_so(tmp_path):
    scan = write_scan(tmp_path / "s", [scanned(MGO, [1.0, 2.0])], complete=False)
    (scan / ".part-000001-77").write_bytes(b"half a part")
    assert ids(scan) == ["MgO"] and not scan_is_complete(scan)
    result = CliRunner().invoke(app, ["rank", str(scan), "--json"])
    assert result.exit_code == 0 and "not complete" in result.stderr
    (scan / "_manifest.json").write_text("{}")
    assert scan_is_complete(scan)
    assert CliRunner().invoke(app, ["rank", str(scan), "--json"]).stderr == ""


def test_a_crystal_without_structure_ranks_but_has_no_cif(tmp_path):
    scan = write_scan(tmp_path / "s", [scanned(MGO, [1.0, 2.0], lattice=None)])
    with pytest.raises(BadScan, match="does not hold its structure"):
        write_cifs(rank(scan), tmp_path / "cifs")


@pytest.fixture
def command(capfd):
    def run(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        result = CliRunner().invoke(app, ["rank", *map(str, arguments)])
        out, err = capfd.readouterr()
        return result.exit_code, out, err + result.stderr

    return run


def test_command_prints_json_csv_and_a_table(scan, command, tmp_path):
    code, out, err = command(scan, "--json", "--elements", "Pb", "--cif", tmp_path / "cifs")
    rows = json.loads(out)
    assert (code, [row["id"] for row in rows]) == (0, ["PbTe", "PbS"])
    assert rows[0]["known_rungs"] == ["dft"] and "lattice" not in rows[0]
    assert "2 CIFs" in err and len(list((tmp_path / "cifs").iterdir())) == 2
    code, out, err = command(scan, "--csv", "--highest", "-n", 1)
    (row,) = csv.DictReader(io.StringIO(out))
    assert (code, err, row["id"], row["known_rungs"], row["in_domain"]) == (0, "", "MgO", "agl dft", "True")
    assert list(row) == list(rows[0])
    code, out, err = command(scan)
    assert (code, err) == (0, "") and "W/(m K)" in out and out.index("CsI") < out.index("MgO")


def test_a_process_of_its_own_prints_the_answer_alone(scan):
    command = [sys.executable, "-c", "from kappatune.cli import main; main()", "rank", str(scan), "--json"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(json.loads(result.stdout)) == 6 and result.stderr == ""


def test_every_option_reaches_the_ranking(scan, command):
    def found(*options: object) -> list[str]:
        code, out, err = command(scan, "--json", *options)
        assert code == 0, err
        return [row["id"] for row in json.loads(out)]

    assert found("--lowest", "--limit", 1) == ["CsI"]
    assert found("--elements", "Pb,Te") == found("--elements", "Pb", "--elements", "Te") == ["PbTe"]
    assert found("--without", "Pb I") == ["NaCl", "CaF2", "MgO"]
    assert found("--min-atoms", 3, "--max-atoms", 3) == found("--prototype", "AB2,ABC") == ["CaF2"]
    assert found("--max-upper", 1.2, "--in-domain") == ["PbTe"]
    assert found("--min-lower", 6, "--novel") == ["CaF2"]
    assert found("--agree-below", 1.0) == ["PbTe", "CsI"]
    assert found("--diverse", "-n", 3) == ["CsI", "PbTe", "NaCl"]


def test_an_empty_result_is_no_error(scan, command, tmp_path):
    code, out, err = command(scan, "--json", "--elements", "Pu", "--cif", tmp_path / "cifs")
    assert (code, json.loads(out)) == (0, []) and "no crystal of the scan passes" in err
    assert not (tmp_path / "cifs").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere"], 1, "no such folder"),
        (["SCAN", "--cif", "SCAN"], 1, "give a new one"),
        (["SCAN", "--cif", "SCAN/_scan.json"], 1, "give a new one"),
        (["SCAN", "--cif", "SCAN/_scan.json/new"], 1, "_scan.json"),
        ([], 2, "Missing argument"),
        (["SCAN", "--json", "--csv"], 2, "not both"),
        (["SCAN", "--elements", "Xx"], 2, "not a chemical element"),
        (["SCAN", "--max-upper", "-1"], 2, "max_upper"),
        (["SCAN", "-n", "0"], 2, "limit"),
    ],
)
def test_errors_are_sentences(scan, command, arguments, code, message):
    exit_code, out, err = command(*(argument.replace("SCAN", str(scan)) for argument in arguments))
    assert (exit_code, out) == (code, ""), err
    assert message in err and "Traceback" not in err


def test_the_documented_sql_works(scan, tmp_path, monkeypatch):
    import duckdb

    (tmp_path / "my-scan").symlink_to(scan)
    monkeypatch.chdir(tmp_path)
    queries = re.findall(r"```sql\n(.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL)
    reasons, medians, agreeing = (duckdb.sql(query).fetchall() for query in queries)
    assert reasons == [("no neighbours", 1)]
    assert medians[0][:2] == ("Cs", 1) and {row[0]: row[1] for row in medians}["Pb"] == 2
    assert [row[0] for row in agreeing] == ["PbTe", "CsI"]
    (python,) = re.findall(r"```python\n(.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL)
    exec(python, {})
