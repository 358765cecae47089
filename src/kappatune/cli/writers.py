"""Rows as a table for people, as JSON or as CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, NamedTuple, TextIO, TypeVar

Row = TypeVar("Row")

_WIDTH_OF_FILES = 140
MISSING = "–"


class OutputFormat(StrEnum):
    """How rows are written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@dataclass(frozen=True)
class Column(Generic[Row]):
    """A column of the table for people.

    Attributes:
        title: Its heading.
        text: The cell of a row: the name of a field, or a function of the row.
        right: Align right, as numbers are.
        fill: Take the width that is left.
    """

    title: str
    text: str | Callable[[Row], str]
    right: bool = False
    fill: bool = False

    def cell(self, row: Row) -> str:
        """The text for a row; empty for None."""
        value = getattr(row, self.text) if isinstance(self.text, str) else self.text(row)
        return "" if value is None else str(value)


@dataclass(frozen=True)
class Layout(Generic[Row]):
    """How rows of one type are written.

    Attributes:
        row_type: A pydantic model or a dataclass; its fields are those of JSON, and the columns of CSV.
        columns: Columns of the table for people.
        value: Field that is None in a row without an answer; None if every row has one.
        not_in_csv: Fields that CSV leaves out, because they are lists or objects.
        separators: Put between the items of a list in a cell of CSV, by column; `; ` where none is given.
        numbered: Whether the table numbers its rows.
    """

    row_type: type[Row]
    columns: Sequence[Column[Row]]
    value: str | None = None
    not_in_csv: frozenset[str] = frozenset()
    separators: Mapping[str, str] = field(default_factory=dict)
    numbered: bool = False


class RowCounts(NamedTuple):
    """How many rows were written, and how many of them have no answer."""

    total: int
    unanswered: int


def write_rows(rows: Iterable[Row], layout: Layout[Row], output_format: OutputFormat, out: TextIO) -> RowCounts:
    """Write rows; JSON and CSV as they come, a table at the end."""
    total = unanswered = 0

    def counted() -> Iterator[Row]:
        nonlocal total, unanswered
        for row in rows:
            total += 1
            unanswered += layout.value is not None and getattr(row, layout.value) is None
            yield row

    if output_format is OutputFormat.JSON:
        _write_json(counted(), out)
    elif output_format is OutputFormat.CSV:
        _write_csv(counted(), layout, out)
    else:
        write_table(counted(), layout.columns, out, numbered=layout.numbered)
    return RowCounts(total, unanswered)


def write_table(
    rows: Iterable[Row],
    columns: Sequence[Column[Row]],
    out: TextIO,
    *,
    title: str | None = None,
    numbered: bool = False,
) -> None:
    """Write a table for people, as wide as the terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False, title=title)
    if numbered:
        table.add_column("", justify="right")
    for column in columns:
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            overflow="ellipsis" if column.right else "fold",
            ratio=1 if column.fill else None,
        )
    for number, row in enumerate(rows, 1):
        cells = [column.cell(row) for column in columns]
        table.add_row(*(Text(cell) for cell in ([str(number), *cells] if numbered else cells)))
    Console(file=out, width=None if out.isatty() else _WIDTH_OF_FILES).print(table)


def _write_json(rows: Iterable[Any], out: TextIO) -> None:
    """A JSON list with one object per line."""
    from pydantic import BaseModel

    from kappatune.results import record_of

    out.write("[")
    for index, row in enumerate(rows):
        text = row.model_dump_json() if isinstance(row, BaseModel) else json.dumps(record_of(row))
        out.write(("," if index else "") + "\n " + text)
        out.flush()
    out.write("\n]\n")


def _write_csv(rows: Iterable[Any], layout: Layout[Any], out: TextIO) -> None:
    from kappatune.results import record_of

    names = csv_columns(layout.row_type, layout.not_in_csv)
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        record = record_of(row)
        writer.writerow(_csv_cell(record[name], layout.separators.get(name, "; ")) for name in names)
        out.flush()


def csv_columns(row_type: type, left_out: frozenset[str] = frozenset()) -> list[str]:
    """Names of the columns of CSV: the fields of a row type, except those that its dumps leave out."""
    from kappatune.results import column_names

    hidden = {name for name, field in getattr(row_type, "model_fields", {}).items() if field.exclude}
    return [name for name in column_names(row_type) if name not in hidden | left_out]


def _csv_cell(value: Any, separator: str) -> Any:
    if isinstance(value, list | tuple):
        return separator.join(map(str, value))
    return "" if value is None else value


def number(value: float | None, spec: str = ".3g", missing: str = MISSING) -> str:
    """A number for a table."""
    return missing if value is None else format(value, spec)


def interval(lower: float | None, upper: float | None, missing: str = "") -> str:
    """An interval for a table."""
    return missing if lower is None or upper is None else f"{lower:.3g} to {upper:.3g}"


def yes_or_no(value: bool | None) -> str:
    """A truth value for a table; empty if unknown."""
    return "" if value is None else "yes" if value else "no"
