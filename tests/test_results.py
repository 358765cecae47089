"""Rows that answer a question: a list, a data frame, a table in a notebook."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from pydantic import BaseModel

from kappatune.results import Results, column_names, record_of


class Row(BaseModel):
    id: str
    kappa_w_mk: float | None = None
    reason: str | None = None


@dataclass
class Plain:
    id: str
    elements: list[str]


def rows() -> Results[Row]:
    return Results([Row(id="MgO", kappa_w_mk=51.23456), Row(id="<b>", reason=None)])


def test_results_are_a_list_and_so_is_a_slice():
    assert len(rows()) == 2
    assert rows()[0].id == "MgO"
    assert isinstance(rows()[1:], Results)
    assert [row.id for row in rows()[1:]] == ["<b>"]


def test_the_representation_has_one_row_per_line():
    assert len(repr(rows()).splitlines()) == 2
    assert repr(Results([])) == "[]"
    many = Results([Row(id=str(k)) for k in range(100)])
    assert repr(many).endswith("and 40 more]")


def test_pandas_gets_one_column_per_field():
    frame = rows().to_pandas()
    assert list(frame.columns) == ["id", "kappa_w_mk", "reason"]
    assert frame.kappa_w_mk[0] == 51.23456


def test_a_notebook_shows_a_table_without_empty_columns_and_escapes_names():
    shown = rows()._repr_html_()
    assert "<td>51.23</td>" in shown
    assert "&lt;b&gt;" in shown and "<b>" not in shown
    assert "reason" not in shown


def test_no_rows_are_an_empty_table():
    assert Results([])._repr_html_().startswith("<table>")
    assert len(Results([]).to_pandas()) == 0


def test_dataclasses_are_rows_too():
    assert record_of(Plain("MgO", ["Mg", "O"])) == {"id": "MgO", "elements": ["Mg", "O"]}
    assert column_names(Plain) == ["id", "elements"]
    assert "Mg, O" in Results([Plain("MgO", ["Mg", "O"])])._repr_html_()


def test_what_is_not_a_row_is_refused():
    with pytest.raises(TypeError, match="a int is not a row"):
        record_of(3)


def test_a_notebook_counts_long_lists_and_leaves_out_empty_ones():
    shown = Results([Plain("MgO", ["Mg"] * 19)])._repr_html_()
    assert "<td>19 values</td>" in shown
    assert "<td>9 values</td>" in Results([Plain("MgO", dict.fromkeys("abcdefghi"))])._repr_html_()
    assert "elements" not in Results([Plain("MgO", [])])._repr_html_()
