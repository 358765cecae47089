"""Rows that answer a question, as a notebook, pandas and a loop want them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields, is_dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Generic, SupportsIndex, TypeVar, overload

from pydantic import BaseModel

if TYPE_CHECKING:
    import pandas as pd

Row = TypeVar("Row")

_SHOWN_ROWS = 60
_SHOWN_VALUES = 6
_EMPTY: tuple[object, ...] = (None, (), [], {})


class Results(list[Row], Generic[Row]):
    """A list of rows, each a pydantic model or a dataclass of one kind, in the order of the input.

    It is a list in every respect; a slice is `Results` again. A notebook shows it as a table.
    """

    def to_pandas(self) -> pd.DataFrame:
        """One row per crystal and one column per field, in the order of the fields."""
        import pandas as pd

        return pd.DataFrame([record_of(row) for row in self])

    @overload
    def __getitem__(self, index: SupportsIndex) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Results[Row]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Row | Results[Row]:
        """A row, or the rows of a slice."""
        chosen = super().__getitem__(index)
        return Results(chosen) if isinstance(index, slice) else chosen  # type: ignore[arg-type,return-value]

    def __repr__(self) -> str:
        """One row per line."""
        rows = ",\n ".join(map(repr, self[:_SHOWN_ROWS]))
        more = f",\n and {len(self) - _SHOWN_ROWS} more" if len(self) > _SHOWN_ROWS else ""
        return f"[{rows}{more}]"

    def _repr_html_(self) -> str:
        """The rows as a table, without the columns that are empty throughout."""
        records = [record_of(row) for row in self[:_SHOWN_ROWS]]
        columns = [name for name in (records[0] if records else ()) if any(r[name] not in _EMPTY for r in records)]
        head = "".join(f"<th>{escape(name)}</th>" for name in columns)
        body = "".join("<tr>" + "".join(f"<td>{_cell(r[name])}</td>" for name in columns) + "</tr>" for r in records)
        more = f"<p>and {len(self) - _SHOWN_ROWS} more rows</p>" if len(self) > _SHOWN_ROWS else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def record_of(row: Any) -> dict[str, Any]:
    """The fields of a row by name.

    Raises:
        TypeError: It is neither a pydantic model nor a dataclass.
    """
    if isinstance(row, BaseModel):
        return row.model_dump()
    if is_dataclass(row) and not isinstance(row, type):
        return asdict(row)
    raise TypeError(f"a {type(row).__name__} is not a row")


def column_names(row_type: type) -> list[str]:
    """Names of the fields of a kind of row, in order."""
    if issubclass(row_type, BaseModel):
        return list(row_type.model_fields)
    return [field.name for field in fields(row_type)]  # type: ignore[arg-type]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple | dict) and len(value) > _SHOWN_VALUES:
        return f"{len(value)} values"
    return escape(
        ", ".join(map(str, value)) if isinstance(value, Iterable) and not isinstance(value, str) else str(value)
    )
