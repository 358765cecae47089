"""Queries on a scan: its Parquet parts as a table for DuckDB, and filters as SQL."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

import duckdb
from pydantic import Field, field_validator, model_validator

from kappatune.errors import UserError
from kappatune.screening.layout import PARTS
from kappatune.settings import Settings
from kappatune.structures.crystal import MAX_ATOMIC_NUMBER, element_symbol
from kappatune.structures.identity import anonymous_formula_of

CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "preserve_insertion_order": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
"""Settings of DuckDB: every query states its order, and nothing is downloaded."""

ROWS = "read_parquet($files, filename = true, file_row_number = true)"
"""The rows of the files `$files` as a table for SQL, with the location of each."""

LATER_COLUMNS = "NULL::VARCHAR[] AS remarks, NULL::VARCHAR AS interval"
"""Columns that parts of earlier versions lack, as SQL."""

WHOLE_ROWS = (
    "(SELECT * FROM read_parquet($files, filename = true, file_row_number = true, union_by_name = true) "
    f"UNION ALL BY NAME SELECT {LATER_COLUMNS} WHERE false)"
)
"""As `ROWS`, with the later columns, which are null in parts that lack them."""


class BadScan(UserError):
    """A folder that holds no readable scan; the message says what is wrong with it."""


class Filters(Settings):
    """Which crystals of a scan are considered. Crystals without a conductivity never are.

    Attributes:
        elements: Elements that must all be present.
        without: Elements that must not be present.
        min_atoms: Fewest atoms in the cell.
        max_atoms: Most atoms in the cell.
        in_domain_only: Only crystals similar to those the model was trained on.
        prototypes: Allowed anonymous formulas; `AB2`, `B2A` and `CaF2` all mean `AB2`. Empty allows all.
        novel: Only crystals whose formula is in no rung's training data.
    """

    elements: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    min_atoms: int | None = Field(default=None, ge=1)
    max_atoms: int | None = Field(default=None, ge=1)
    in_domain_only: bool = False
    prototypes: tuple[str, ...] = ()
    novel: bool = False

    @field_validator("elements", "without")
    @classmethod
    def _elements_exist(cls, symbols: tuple[str, ...]) -> tuple[str, ...]:
        known = {element_symbol(number) for number in range(1, MAX_ATOMIC_NUMBER + 1)}
        for symbol in symbols:
            if symbol not in known:
                raise ValueError(f"'{symbol}' is not a chemical element: write symbols such as Pb or Te")
        return symbols

    @field_validator("prototypes")
    @classmethod
    def _normalise_prototypes(cls, formulas: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(anonymous_formula_of(formula) for formula in formulas)

    @model_validator(mode="after")
    def _are_consistent(self) -> Self:
        if both := sorted({*self.elements} & {*self.without}):
            raise ValueError(f"{', '.join(both)} cannot be both required and excluded")
        if self.min_atoms and self.max_atoms and self.min_atoms > self.max_atoms:
            raise ValueError(f"no cell has at least {self.min_atoms} and at most {self.max_atoms} atoms")
        return self


class RowLocation(NamedTuple):
    """Location of a row of a scan.

    Attributes:
        part: The file.
        row: Its number in the file.
    """

    part: str
    row: int


@contextmanager
def opened(
    folder: str | os.PathLike[str], needed: AbstractSet[str]
) -> Iterator[tuple[duckdb.DuckDBPyConnection, list[str]]]:
    """A connection to DuckDB and the parts of a scan.

    Args:
        folder: Folder of the scan.
        needed: Columns that the queries use.

    Raises:
        BadScan: There is no scan in the folder, a column is missing, or a query inside the block fails.
    """
    parts = scan_parts(Path(folder))
    with duckdb.connect(config=CONFIG) as connection:
        try:
            check_columns(connection, parts[0], needed)
            yield connection, parts
        except duckdb.Error as error:
            raise BadScan(f"{folder}: the scan cannot be read ({str(error).splitlines()[0]})") from error


def as_words(words: str | Iterable[str]) -> tuple[str, ...]:
    """Several words, given one by one or as a text with commas or spaces."""
    return tuple(words.replace(",", " ").split() if isinstance(words, str) else words)


def scan_parts(folder: Path) -> list[str]:
    """Files of a scan's rows, in order.

    Raises:
        BadScan: There is no scan in the folder.
    """
    if not folder.is_dir():
        raise BadScan(f"{folder}: {'a file, not the folder of a scan' if folder.exists() else 'no such folder'}")
    parts = sorted(path for path in folder.glob(PARTS) if path.is_file())
    if not parts:
        raise BadScan(f"{folder}: no {PARTS} in it: give a folder that `kappatune screen --out` has filled")
    return [str(part) for part in parts]


def patterns(parts: Iterable[str]) -> list[str]:
    """Patterns that match only these files: DuckDB reads every file name as a pattern."""
    return [glob.escape(part) for part in parts]


def check_columns(connection: duckdb.DuckDBPyConnection, part: str, needed: AbstractSet[str]) -> None:
    """Check that a part has the columns a query needs.

    Raises:
        BadScan: One is missing.
    """
    answer = connection.execute("SELECT * FROM read_parquet($files) LIMIT 0", {"files": patterns([part])})
    if missing := sorted(needed - {column[0] for column in answer.description or ()}):
        columns = ", ".join(map(repr, missing))
        raise BadScan(f"{part}: column {columns} is missing: this version cannot read such a scan")


def conditions(filters: Filters, **further: tuple[str, Any]) -> tuple[str, dict[str, Any]]:
    """The filters as an SQL condition, and the values that it refers to.

    Args:
        filters: The filters.
        further: More conditions, each with the value that it refers to by its name; without a value it is left out.
    """
    clauses: dict[str, tuple[str, Any]] = {
        "elements": ("list_has_all(elements, $elements::VARCHAR[])", [*filters.elements]),
        "without": ("NOT list_has_any(elements, $without::VARCHAR[])", [*filters.without]),
        "prototypes": ("list_contains($prototypes::VARCHAR[], anonymous_formula)", [*filters.prototypes]),
        "min_atoms": ("n_atoms >= $min_atoms", filters.min_atoms),
        "max_atoms": ("n_atoms <= $max_atoms", filters.max_atoms),
        **further,
    }
    used = {name: value for name, (_, value) in clauses.items() if value not in (None, [])}
    sql = ["isfinite(kappa_w_mk)", *(clauses[name][0] for name in used)]
    if filters.in_domain_only:
        sql.append("in_domain")
    if filters.novel:
        sql.append("len(known_rungs) = 0")
    return " AND ".join(sql), used


def columns_at(
    connection: duckdb.DuckDBPyConnection, columns: str, locations: Sequence[RowLocation]
) -> list[tuple[Any, ...]]:
    """Some columns, or SQL expressions of them, of the rows at these locations, in the given order."""
    if not locations:
        return []
    return connection.execute(
        f"SELECT {columns} FROM {WHOLE_ROWS} JOIN (SELECT unnest($parts::VARCHAR[]) AS filename, "
        "unnest($rows::BIGINT[]) AS file_row_number, unnest($places::BIGINT[]) AS place) "
        "USING (filename, file_row_number) ORDER BY place",
        {
            "files": patterns(sorted({location.part for location in locations})),
            "parts": [location.part for location in locations],
            "rows": [location.row for location in locations],
            "places": [*range(len(locations))],
        },
    ).fetchall()
