from __future__ import annotations

import errno
import json
import re
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import unquote

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kappatune.cli import main
from kappatune.data import aflow, fetching, table_writer
from kappatune.data.aflow import PAGE_SIZE, PROPERTIES, entry_of, fetch_aflow
from kappatune.data.table_writer import BadTarget, TableCounts, pages_of, rejects_of
from kappatune.errors import BadSource
from kappatune.screening.sources import parse, units
from kappatune.structures import Crystal, Rejection, read_table
from kappatune.structures.crystal import element_symbol
from kappatune.training.recipe import read_recipe
from tests.builders import low_symmetry, rocksalt
from tests.providers import answer, cut_short, hang_up

CRYSTAL = low_symmetry()


def item_of(crystal: Crystal, number: int, **changes: object) -> dict[str, object]:
    """An entry as AFLUX gives it today: numbers and nested lists."""
    order = np.argsort(crystal.numbers, kind="stable")
    species, counts = np.unique(crystal.numbers, return_counts=True)
    lattice = crystal.to_pymatgen().lattice
    symbols = [element_symbol(z) for z in species.tolist()]
    compound = "".join(f"{s}{n}" for s, n in zip(symbols, counts.tolist(), strict=True))
    return {
        "compound": compound,
        "auid": f"aflow:{number:016x}",
        "aurl": f"aflowlib.duke.edu:AFLOWDATA/ICSD_WEB/TRI/{compound}_ICSD_{number}",
        "catalog": "ICSD",
        "species": symbols,
        "composition": counts.tolist(),
        "geometry": [*lattice.abc, *lattice.angles],
        "positions_fractional": crystal.frac_coords[order].tolist(),
        "spacegroup_relax": 1,
        "agl_thermal_conductivity_300K": 1.0 + number,
        **{name: 10.0 + k + number for k, name in enumerate(PROPERTIES)},
    } | changes


def as_text(item: dict[str, object]) -> dict[str, object]:
    """The same entry as AFLUX gave it in the past: all text."""

    def text(value: object) -> object:
        if isinstance(value, list):
            return (";" if value and isinstance(value[0], list) else ",").join(str(text(part)) for part in value)
        return None if value is None else str(value)

    return {key: text(value) for key, value in item.items()}


def numbered(items: list, first: int, total: int) -> dict[str, object]:
    return {f"{first + k} of {total}": item for k, item in enumerate(items)}


class Aflux:
    """Pages in the documented form; `fault` may spoil an answer, told the number of the page."""

    def __init__(self, items: list) -> None:
        self.items = items
        self.form = "object"
        self.at_most = PAGE_SIZE
        self.seen: Counter[int] = Counter()
        self.summons: list[str] = []
        self.agents: set[str] = set()
        self.fault: Callable[[int, BaseHTTPRequestHandler], bytes | None] = lambda page, handler: None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.agents.add(self.headers["User-Agent"])
                outer.summons.append(unquote(self.path.partition("?")[2]))
                (paging,) = re.findall(r"(?<![$\w])paging\((\d+),(\d+)\)", self.path)
                page, size = map(int, paging)
                outer.seen[page] += 1
                if (body := outer.fault(page, self)) is None:
                    answer(self, 200, json.dumps(outer.page(page, min(size, outer.at_most))).encode())
                elif body:
                    answer(self, 200, body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/API/aflux/"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def page(self, page: int, size: int) -> object:
        first = (page - 1) * size
        items = self.items[first : first + size]
        return items if self.form == "list" else numbered(items, first + 1, len(self.items))


@pytest.fixture(autouse=True)
def small_pages(monkeypatch) -> None:
    monkeypatch.setattr(aflow, "PAGE_SIZE", 10)


@pytest.fixture(autouse=True)
def between(monkeypatch) -> list[float]:
    """The pauses between pages that would have been made."""
    made: list[float] = []
    monkeypatch.setattr(aflow, "time", SimpleNamespace(sleep=made.append))
    return made


@pytest.fixture
def aflux() -> Iterator[Aflux]:
    kinds = [(a, b) for a in (3, 11, 12, 19, 20) for b in (8, 9, 16, 17, 34, 35, 52)]
    made = Aflux([item_of(rocksalt(*kinds[k], 5.0 + 0.02 * k), k) for k in range(35)])
    yield made
    made.server.shutdown()
    made.server.server_close()


def run(monkeypatch, capfd, *arguments: object) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["kappatune", "data", "fetch", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0), *capfd.readouterr()


# The table


@pytest.mark.parametrize("form", ["object", "list"])
def test_the_table_is_one_that_the_shipped_recipes_train_on(aflux, form, tmp_path, between):
    aflux.form = form
    out = tmp_path / "tables" / "aflow_agl.parquet"
    counts = fetch_aflow(out, aflux.url)
    assert counts == TableCounts(rows=35) and aflux.seen == {1: 1, 2: 1, 3: 1, 4: 1}
    assert between == [0.0, aflow.PAUSE_S, aflow.PAUSE_S, aflow.PAUSE_S]
    assert all(agent.startswith("kappatune/") for agent in aflux.agents)
    table = read_table(out)
    assert len(table.rows) == 35 and not table.rejections
    row = table.rows[7]
    assert (row.crystal.id, row.crystal.formula) == ("aflow:O1Na1_ICSD_7", "Na2O2")
    assert (row.kappa, row.fidelity, row.source) == (8.0, "agl", "AFLOW aflow:0000000000000007")
    (stage, _) = read_recipe("accurate").stages
    assert set(stage.properties.values()) <= set(PROPERTIES) <= row.properties.keys()
    assert all(row.properties[name] == 17.0 + k for k, name in enumerate(PROPERTIES))
    assert pq.read_table(out)["spacegroup"].to_pylist() == [1] * 35
    assert [type(e) for unit in units([str(out)], tmp_path) for e in parse(unit)] == [Crystal] * 35


def test_what_is_asked_for_is_the_documented_summons(aflux, tmp_path):
    fetch_aflow(tmp_path / "a.parquet", aflux.url.rstrip("/") + "?", " species((Na:K),!Cl),Egap(1*,*5), ")
    terms = re.split(r",(?![^()]*\))", aflux.summons[0])
    assert terms[:2] == ["auid", "catalog(ICSD)"], "pages are sorted by what tells entries apart"
    assert "species((Na:K),!Cl),Egap(1*,*5),agl_thermal_conductivity_300K(*),compound," in aflux.summons[0]
    assert {*PROPERTIES, "geometry", "positions_fractional", "species", "composition", "aurl"} <= set(terms)
    assert terms[-2:] == ["paging(1,10)", "format(json)"]


@pytest.mark.parametrize("form", [dict, as_text])
def test_a_crystal_keeps_its_shape_and_its_atoms(form):
    made = entry_of(form(item_of(CRYSTAL, 3)), "page 1, entry 1").row
    assert not isinstance(made, Rejection)
    order = np.argsort(CRYSTAL.numbers, kind="stable")
    assert made["species"] == [element_symbol(z) for z in CRYSTAL.numbers[order].tolist()]
    lattice, metric = np.array(made["lattice"]), CRYSTAL.lattice @ CRYSTAL.lattice.T
    assert lattice @ lattice.T == pytest.approx(metric, rel=1e-9)
    assert np.array(made["frac_coords"]) == pytest.approx(CRYSTAL.frac_coords[order])
    assert made["agl_debye"] == 13.0 and made["kappa_w_mk_300k"] == 4.0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"agl_thermal_conductivity_300K": None}, "agl_thermal_conductivity_300K is missing"),
        ({"agl_thermal_conductivity_300K": "0"}, "is '0', not a positive number"),
        ({"agl_thermal_conductivity_300K": 10**400}, "not a positive number"),
        ({"species": None}, "0 species, but a composition of 4"),
        ({"species": ["O", "Si", "Ca", "Xx"]}, "'Xx', which is not a chemical element"),
        ({"composition": [1, 2]}, "4 species, but a composition of 2"),
        ({"composition": [1.5, 1, 2, 2.5]}, "not counts of atoms"),
        ({"composition": [1, 1, 1, 1e300]}, "21 numbers for 1000"),
        ({"composition": [1, "x", 1, 1]}, "composition holds 'x', which is not a number"),
        ({"geometry": None}, "geometry is missing"),
        ({"geometry": [5, 5, 5]}, "not three lengths and three angles"),
        ({"geometry": [5, 5, -5, 90, 90, 90]}, "not three lengths"),
        ({"geometry": [5, 5, 5, 10, 20, 90]}, "without volume"),
        ({"geometry": [1, 1, 1, 90, 90, 90]}, "per atom|apart"),
        ({"positions_fractional": None}, "0 numbers for 7 atoms"),
        ({"positions_fractional": [[0.1, 0.2, None]] * 7}, "holds 'null', which is not a number"),
        ({"positions_fractional": [[0.1, 0.2, 0.3]] * 7}, "Å apart"),
        ({"positions_fractional": [[0.1, 0.2]] * 7}, "14 numbers for 7 atoms"),
    ],
)
def test_an_entry_that_is_no_crystal_says_why(changes, says):
    entry = entry_of(item_of(CRYSTAL, 3, **changes), "page 1, entry 1")
    assert isinstance(entry.row, Rejection) and re.search(says, entry.row.reason), entry.row
    assert entry.row.id.endswith("_ICSD_3") and entry.row.formula and entry.key == "aflow:0000000000000003"


def test_an_entry_is_named_by_what_it_has():
    def named(**changes: object) -> str:
        made = entry_of(item_of(CRYSTAL, 3, **changes), "page 2, entry 7").row
        return made.id if isinstance(made, Rejection) else f"{made['id']}, {made['source']}"

    lib = "aflowlib.duke.edu:AFLOWDATA/LIB3_RAW/Cu_pvTi_svZn/T0001.A2BC"
    assert named(aurl=lib) == "aflow:0000000000000003, AFLOW aflow:0000000000000003"
    assert named(aurl=lib, auid=None) == f"{lib}, AFLOW {lib}"
    assert named(aurl=None, auid="") == "page 2, entry 7, AFLOW"
    assert entry_of("text", "page 2, entry 7").row == Rejection(
        "page 2, entry 7", "the entry is not an object with keywords"
    )


def test_a_property_that_is_no_number_is_left_empty():
    made = entry_of(item_of(CRYSTAL, 3, agl_debye="n/a", Egap=None, energy_atom=True, spacegroup_relax=999), "x").row
    assert [made[name] for name in ("agl_debye", "Egap", "energy_atom", "spacegroup")] == [None] * 4
    assert made["agl_gruneisen"] == 15.0


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 10),
    st.floats(),
    st.text(st.characters(codec=None), max_size=8),
    st.sampled_from(["Mg", "", "1,2;3", "[[0,0,0]]", "nan", 1e308, 10**400, "\ud800"]),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(item_of(CRYSTAL, 3))), JSON, max_size=3) | JSON, st.booleans())
def test_whatever_an_entry_holds_it_gives_one_row_or_one_reason(changes, text):
    item: object = changes
    if isinstance(changes, dict):
        item = item_of(CRYSTAL, 3, **changes)
        item = as_text(item) if text else item
    entry = entry_of(item, "page 1, entry 1")
    if isinstance(entry.row, Rejection):
        assert entry.row.id and entry.row.reason
    else:
        assert len(entry.row["species"]) == len(entry.row["frac_coords"])
        aflow.pa.RecordBatch.from_pylist([entry.row], schema=aflow._SCHEMA).validate(full=True)


def test_rejects_and_repetitions_are_counted_and_listed(aflux, tmp_path):
    aflux.items[4] = item_of(CRYSTAL, 4, geometry=None)
    aflux.items[11] = "no entry"
    aflux.items[12:14] = [aflux.items[2], aflux.items[3]]
    aflux.items[20] = aflux.items[4]
    deep: list = []
    for _ in range(60):
        deep = [deep]
    aflux.items[30] = {"auid": deep}
    out = tmp_path / "a.parquet"
    assert fetch_aflow(out, aflux.url) == TableCounts(rows=29, rejected=3, repeated=3)
    rejects = [json.loads(line) for line in rejects_of(out).read_text().splitlines()]
    names = [row["id"] for row in rejects]
    assert names[0].endswith("_ICSD_4") and names[1:] == ["page 2, entry 2", "page 4, entry 1"]
    assert all(row["reason"] for row in rejects)
    assert len(read_table(out).rows) == 29


# The walk


@pytest.mark.parametrize(
    ("form", "n", "at_most", "asked"),
    [
        ("object", 30, 10, 3),
        ("object", 7, 10, 1),
        ("list", 30, 10, 4),
        ("list", 27, 10, 3),
        ("list", 7, 10, 2),
        ("list", 27, 6, 5),
        ("object", 27, 6, 5),
    ],
)
def test_it_ends_where_the_entries_end(aflux, form, n, at_most, asked, tmp_path):
    aflux.form, aflux.at_most = form, at_most
    del aflux.items[n:]
    assert fetch_aflow(tmp_path / "a.parquet", aflux.url).rows == n
    assert aflux.seen == dict.fromkeys(range(1, asked + 1), 1)


def test_fewer_entries_than_announced_is_said(aflux, tmp_path, caplog):
    aflux.page = lambda page, size: numbered(aflux.items[10 * page - 10 : min(10 * page, 25)], 1, 40)
    assert fetch_aflow(tmp_path / "a.parquet", aflux.url).rows == 25
    assert "announced 40 entries and sent 25" in caplog.text


def test_a_page_that_comes_again_and_again_is_noticed(aflux, tmp_path):
    aflux.page = lambda page, size: aflux.items[:10]
    with pytest.raises(BadSource, match=r"page 2: the provider sent the previous page again"):
        fetch_aflow(tmp_path / "a.parquet", aflux.url)


@pytest.mark.parametrize("nothing", [[], {}])
def test_no_entry_is_an_error(aflux, nothing, tmp_path):
    aflux.page = lambda page, size: nothing
    with pytest.raises(BadSource, match="no such entry"):
        fetch_aflow(tmp_path / "a.parquet", aflux.url)
    aflux.page = lambda page, size: {"1 of 1": {"auid": "aflow:1"}}
    with pytest.raises(BadSource, match=r"none of the 1 entries is a usable crystal: see .*\.rejects\.jsonl"):
        fetch_aflow(tmp_path / "b.parquet", aflux.url, "species(Si)")
    assert not (tmp_path / "b.parquet").exists() and "is missing" in rejects_of(tmp_path / "b.parquet").read_text()


PASSING = {
    "hang up": (hang_up, "the connection failed"),
    "cut short": (cut_short, "the connection failed"),
    "503": (lambda h: answer(h, 503), r"answered 503 \(Service Unavailable\)"),
    "502 in HTML": (lambda h: answer(h, 502, b"<html>"), r"answered 502 \(Bad Gateway\)"),
    "429": (lambda h: answer(h, 429, Retry_After="7"), "answered 429"),
    "HTML": (lambda h: b"<html><body>maintenance", "not AFLUX's JSON .it begins '<html><body>maintenance'"),
    "text": (lambda h: b"DB Fail!null", "it begins 'DB Fail!null'"),
    "half a JSON": (lambda h: b'{"1 of 2": {', "not AFLUX's JSON"),
    "another object": (lambda h: b'{"error": "busy"}', "not AFLUX's JSON"),
    "two totals": (lambda h: b'{"1 of 2": {}, "2 of 3": {}}', "not AFLUX's JSON"),
    "the help": (lambda h: b'["Welcome to Aflux"]', "not AFLUX's JSON"),
    "a number": (lambda h: b"7", "not AFLUX's JSON"),
}


@pytest.mark.parametrize(("fails", "says"), PASSING.values(), ids=PASSING)
def test_a_failure_stops_the_walk_and_loses_nothing(aflux, fails, says, tmp_path, pauses):
    out = tmp_path / "a.parquet"
    aflux.fault = lambda page, handler: fails(handler) if page == 3 else None
    with pytest.raises(
        BadSource, match=f"aflux/, page 3: .*{says}.*; 2 pages are stored, and the same command continues"
    ):
        fetch_aflow(out, aflux.url)
    assert aflux.seen[3] == 1 + len(fetching.RETRY_DELAYS_S)
    assert pauses == [max(p, 7.0) if "429" in says else p for p in fetching.RETRY_DELAYS_S]
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet.pages"], "nothing unfinished stays"
    aflux.fault = lambda page, handler: None
    aflux.seen.clear()
    assert fetch_aflow(out, aflux.url).rows == 35 and aflux.seen == {3: 1, 4: 1}
    assert fetch_aflow(out, aflux.url).rows == 35 and aflux.seen == {3: 1, 4: 1}, "all pages are on disk now"


def test_a_failure_that_passes_costs_a_pause(aflux, tmp_path, pauses):
    faults = iter([{"status": 503}, {"status": 429, "Retry_After": "99999"}, {"status": 429, "Retry_After": "30"}])
    aflux.fault = lambda page, handler: answer(handler, **f) if (f := next(faults, None)) else None
    assert fetch_aflow(tmp_path / "a.parquet", aflux.url).rows == 35
    assert pauses == [fetching.RETRY_DELAYS_S[0], fetching.MAX_RETRY_DELAY_S, 30.0]


def test_a_refusal_is_final(aflux, tmp_path, pauses):
    aflux.fault = lambda page, handler: answer(handler, 404)
    with pytest.raises(BadSource, match=r"page 1: the provider answered 404 \(Not Found\)"):
        fetch_aflow(tmp_path / "a.parquet", aflux.url)
    with pytest.raises(BadSource, match="with --query"):
        fetch_aflow(tmp_path / "a.parquet", f"{aflux.url}?species(Si)")
    assert not pauses and aflux.seen == {1: 1}


def test_a_break_by_the_user_keeps_the_pages(aflux, tmp_path, monkeypatch):
    made = aflow.entry_of
    monkeypatch.setattr(aflow, "entry_of", lambda item, where: made(item, where) if "page 3" not in where else stop())

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_aflow(tmp_path / "a.parquet", aflux.url)
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet.pages"]
    monkeypatch.setattr(aflow, "entry_of", made)
    assert fetch_aflow(tmp_path / "a.parquet", aflux.url).rows == 35
    assert aflux.seen == {1: 1, 2: 1, 3: 1, 4: 1}


def test_rows_are_written_as_they_come(aflux, tmp_path, monkeypatch):
    monkeypatch.setattr(table_writer, "_BATCH", 8)
    told: list[int] = []
    fetch_aflow(tmp_path / "a.parquet", aflux.url, on_progress=lambda event: told.append(event.done))
    assert told == [8, 16, 24, 32, 35]
    assert [row.kappa for row in read_table(tmp_path / "a.parquet").rows] == [1.0 + k for k in range(35)]


# The target


def test_what_is_there_is_not_overwritten_by_something_else(aflux, tmp_path):
    out = tmp_path / "a.parquet"
    fetch_aflow(out, aflux.url, "species(Na)")
    before = out.read_bytes()
    with pytest.raises(BadTarget, match=r"a\.parquet holds something else than this request would write"):
        fetch_aflow(out, aflux.url)
    (tmp_path / "mine.parquet").write_bytes(b"mine")
    with pytest.raises(BadTarget, match="holds something else"):
        fetch_aflow(tmp_path / "mine.parquet", aflux.url)
    with pytest.raises(BadTarget, match="is a folder"):
        fetch_aflow(pages_of(out).rename(tmp_path / "folder.parquet"), aflux.url)
    with pytest.raises(BadTarget, match=r"table.csv: a fetched table is a \.parquet file"):
        fetch_aflow(tmp_path / "table.csv", aflux.url)
    assert out.read_bytes() == before and (tmp_path / "mine.parquet").read_bytes() == b"mine"


def test_pages_of_another_query_are_not_taken_for_its_own(aflux, tmp_path):
    out = tmp_path / "a.parquet"
    fetch_aflow(out, aflux.url)
    out.unlink()
    aflux.seen.clear()
    assert fetch_aflow(out, aflux.url, "species(Na)").rows == 35 and aflux.seen[1] == 1
    assert len(list(pages_of(out).iterdir())) == 8


# The command


def test_the_command_says_what_it_made(aflux, tmp_path, monkeypatch, capfd):
    aflux.items[3], aflux.items[6] = aflux.items[2], {}
    out = tmp_path / "a.parquet"
    code, answered, told = run(monkeypatch, capfd, "aflow", "--url", aflux.url, "--query", "nspecies(2)", "--out", out)
    assert code == 0 and answered == f"{out}\n" and "nspecies(2)" in aflux.summons[0]
    assert told == (
        "repeated entries, left out: 1\n"
        f"entries that are not usable crystals: 1; {out}.rejects.jsonl gives the reasons\n"
        f"crystals: 33; to fetch them again, delete {out}.pages\n"
    )
    code, answered, told = run(monkeypatch, capfd, "aflow", "--url", aflux.url, "--out", out)
    assert code == 1 and not answered and told.startswith(f"kappatune: {out} holds something else")


def test_the_command_names_a_server_that_is_not_there(tmp_path, monkeypatch, capfd, pauses):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    code, answered, told = run(monkeypatch, capfd, "aflow", "--url", url, "--out", tmp_path / "a.parquet")
    assert code == 1 and not answered and "Traceback" not in told
    assert f"kappatune: {url}, page 1: the connection failed (Connection refused); 0 pages are stored" in told


def test_the_command_says_that_the_disk_is_full(aflux, tmp_path, monkeypatch, capfd):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(table_writer.pq.ParquetWriter, "write_batch", full)
    code, _, told = run(monkeypatch, capfd, "aflow", "--url", aflux.url, "--out", tmp_path / "a.parquet")
    assert code == 1 and "the disk is full" in told and "Traceback" not in told
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet.pages"]


def test_the_command_is_there():
    from typer.testing import CliRunner

    from kappatune.cli import app

    shown = CliRunner().invoke(app, ["data", "fetch", "--help"]).output
    assert "aflow" in shown and "mp" in shown
    assert CliRunner().invoke(app, ["data", "fetch", "aflow", "--nonsense"]).exit_code == 2
