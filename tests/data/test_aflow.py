"""AFLOW by AFLUX: entries become rows of a table, each or its reason."""

from __future__ import annotations

import json
import re

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kappatune.data import aflow
from kappatune.data.aflow import PROPERTIES, entry_of, fetch_aflow
from kappatune.data.table_writer import TableCounts, rejects_of
from kappatune.errors import BadSource
from kappatune.screening.sources import parse, units
from kappatune.structures import Crystal, Rejection, read_table
from kappatune.structures.crystal import element_symbol
from kappatune.training.recipe import read_recipe
from tests.data.aflux import CRYSTAL, as_text, item_of, numbered

pytestmark = pytest.mark.usefixtures("small_pages", "between")


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
    stage, *_ = read_recipe("accurate").stages
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
