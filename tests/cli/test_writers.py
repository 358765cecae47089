from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass

import pytest
from pydantic import BaseModel, Field

from kappatune.cli.writers import Column, Layout, OutputFormat, RowCounts, interval, number, write_rows, yes_or_no


class Model(BaseModel):
    id: str
    value: float | None = None
    notes: tuple[str, ...] = ()
    curve: tuple[float, ...] = ()
    hidden: int = Field(default=0, exclude=True)


@dataclass(frozen=True)
class Plain:
    id: str
    value: float | None = None
    notes: tuple[str, ...] = ()
    curve: tuple[float, ...] = ()


def layout(row_type, **more):
    columns = [Column("name", "id"), Column("value, W/(m K)", lambda row: number(row.value), right=True)]
    return Layout(row_type, columns, value="value", not_in_csv=frozenset({"curve"}), **more)


def written(rows, form, row_type=Model, **more):
    out = io.StringIO()
    counts = write_rows(iter(rows), layout(row_type, **more), form, out)
    return out.getvalue(), counts


def rows_of(row_type):
    return [row_type(id="[bold]a", value=1.5, notes=("x", "y"), curve=(1.0, 2.0)), row_type(id="b, c")]


@pytest.mark.parametrize("row_type", [Model, Plain])
def test_json_has_every_field(row_type):
    text, counts = written(rows_of(row_type), OutputFormat.JSON, row_type)
    assert counts == RowCounts(total=2, unanswered=1)
    assert json.loads(text) == [
        {"id": "[bold]a", "value": 1.5, "notes": ["x", "y"], "curve": [1.0, 2.0]},
        {"id": "b, c", "value": None, "notes": [], "curve": []},
    ]
    assert len(text.splitlines()) == 4, "one object per line"


@pytest.mark.parametrize("row_type", [Model, Plain])
def test_csv_leaves_curves_out_and_joins_lists(row_type):
    text, counts = written(rows_of(row_type), OutputFormat.CSV, row_type)
    assert counts == RowCounts(total=2, unanswered=1)
    assert list(csv.reader(io.StringIO(text))) == [
        ["id", "value", "notes"],
        ["[bold]a", "1.5", "x; y"],
        ["b, c", "", ""],
    ]
    assert "x|y" in written(rows_of(row_type), OutputFormat.CSV, row_type, separators={"notes": "|"})[0]


def test_the_table_is_numbered_and_takes_no_markup():
    text, counts = written(rows_of(Model), OutputFormat.TABLE, numbered=True)
    assert counts == RowCounts(total=2, unanswered=1)
    header, first, second = text.splitlines()
    assert header.split() == ["name", "value,", "W/(m", "K)"]
    assert first.split() == ["1", "[bold]a", "1.5"] and second.split() == ["2", "b,", "c", "–"]


@pytest.mark.parametrize(("form", "text"), [("json", "[\n]\n"), ("csv", "id,value,notes\n")])
def test_no_rows_are_valid_json_and_a_header(form, text):
    assert written([], OutputFormat(form)) == (text, RowCounts(0, 0))


def test_json_and_csv_are_written_as_rows_come():
    for form in (OutputFormat.JSON, OutputFormat.CSV):
        out = io.StringIO()

        def rows(out=out):
            yield Model(id="first")
            yield Model(id="second")
            assert "first" in out.getvalue() and "second" in out.getvalue()

        write_rows(rows(), layout(Model), form, out)


def test_cells_say_what_is_missing():
    assert (number(None), number(0.0123), number(2.0, ".0f"), number(None, missing="")) == ("–", "0.0123", "2", "")
    assert (interval(1.0, 2.5), interval(None, 2.0), interval(None, None, "–")) == ("1 to 2.5", "", "–")
    assert [yes_or_no(value) for value in (True, False, None)] == ["yes", "no", ""]
