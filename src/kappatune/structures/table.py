"""The table of labelled crystals: one schema, read from Parquet, JSON lines, or CSV beside structure files.

Columns: `id`, `species` (n_atoms symbols), `lattice` (3x3 row vectors, Å), `frac_coords` (n_atoms x 3),
`kappa_w_mk_300k` (W/(m K) at 300 K), `fidelity`, `source`; `formula` and `spacegroup` are read if
present; a row whose `temperature_k` is not 300 K is rejected; every other numeric column becomes a
property. In CSV, `kappa` may stand for `kappa_w_mk_300k`, and `file` names a structure file, relative
to the CSV.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kappatune.errors import UserError
from kappatune.storage import file_sha256
from kappatune.structures.crystal import BadCrystal, Crystal, Rejection, atomic_number, check
from kappatune.structures.files import read_file
from kappatune.structures.text import finite_number, printable

Fidelity = Literal["agl", "semiempirical", "dft", "experiment", "mlip"]
"""Where a value of kappa comes from, a rung of the ladder."""

SUFFIXES = (".parquet", ".jsonl", ".csv")

TEMPERATURE_K = 300.0
"""Temperature of the values of tables, K."""

_NEAR_K = 10.0
_TEMPERATURES = {"temperature", "temperaturek", "temp", "tempk", "tk"}
_ALIASES = {"kappa": "kappa_w_mk_300k", "kappa_w_mk": "kappa_w_mk_300k"}
_LABEL_COLUMNS = {"id", "kappa_w_mk_300k", "fidelity"}
_CRYSTAL_COLUMNS = {"lattice", "species", "frac_coords"}
_FAULT = "row that could not be read"


class BadTable(UserError):
    """A table that cannot be read at all; the message names file and column."""


@dataclass(frozen=True)
class LabelledCrystal:
    """A crystal with its thermal conductivity.

    Attributes:
        crystal: The crystal.
        kappa: Lattice thermal conductivity at 300 K, W/(m K).
        fidelity: Rung of the ladder.
        source: Where the value comes from.
        properties: Other numeric columns of the table, by name.
        number: Number of the row in its file, counted from 1; None if it comes from no file.
    """

    crystal: Crystal
    kappa: float
    fidelity: Fidelity
    source: str = ""
    properties: dict[str, float] = field(default_factory=dict)
    number: int | None = None


@dataclass(frozen=True)
class LabelledTable:
    """What a table held.

    Attributes:
        name: File name.
        rows: The usable rows, in order.
        rejections: The rows that could not be used, each with its reason.
        sha256: Hash of the file.
        not_positive: Conductivities at zero and below, whose rows are rejected.
    """

    name: str
    rows: list[LabelledCrystal]
    rejections: list[Rejection]
    sha256: str
    not_positive: tuple[float, ...] = ()


class _StructureColumns(BaseModel):
    model_config = ConfigDict(extra="ignore")

    lattice: tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
    species: list[str] = Field(min_length=1)
    frac_coords: list[tuple[float, float, float]]


class _LabelColumns(BaseModel):
    model_config = ConfigDict(extra="ignore")

    kappa_w_mk_300k: float = Field(gt=0, allow_inf_nan=False)
    fidelity: Fidelity
    source: str = ""


def read_table(path: str | Path, *, default_fidelity: Fidelity | None = None) -> LabelledTable:
    """Read labelled crystals.

    Args:
        path: A `.parquet`, `.jsonl` or `.csv` file, or a folder of `part-*.parquet` files, which are one table.
        default_fidelity: Fidelity of rows that name none.

    Returns:
        Usable rows and rejected ones; a rejected row never hides.

    Raises:
        BadTable: The file is missing, of another kind, unreadable, or lacks a column.
    """
    path = Path(path)
    parts = sorted(path.glob("part-*.parquet")) if path.is_dir() else []
    tables = [_read_file(part, default_fidelity) for part in parts or [path]]
    rows = [row for table in tables for row in table.rows]
    rejections = [rejection for table in tables for rejection in table.rejections]
    if not rows and not rejections:
        raise BadTable(f"{path}: the table has no rows")
    if not parts:
        return tables[0]
    digest = hashlib.sha256("".join(table.sha256 for table in tables).encode()).hexdigest()
    not_positive = tuple(value for table in tables for value in table.not_positive)
    return LabelledTable(path.name, rows, rejections, digest, not_positive)


def _read_file(path: Path, default_fidelity: Fidelity | None) -> LabelledTable:
    rows: list[LabelledCrystal] = []
    rejections: list[Rejection] = []
    not_positive: list[float] = []
    for number, row in enumerate(table_rows(path), 1):
        if number == 1 and path.suffix.lower() != ".jsonl":
            _require(row, _LABEL_COLUMNS - ({"fidelity"} if default_fidelity else set()), path)
        crystal = crystal_of_row(row, number, path)
        if isinstance(crystal, Rejection):
            rejections.append(crystal)
            continue
        if reason := reason_of_temperature(row):
            rejections.append(Rejection(crystal.id, f"row {number}: {reason}", str(path), crystal.formula))
            continue
        if row.get("fidelity") is None:
            row["fidelity"] = default_fidelity
        try:
            label = _LabelColumns.model_validate({k: v for k, v in row.items() if v is not None})
        except ValidationError as error:
            rejections.append(Rejection(crystal.id, f"row {number}: {_sentence(error)}", str(path), crystal.formula))
            value = finite_number(row.get("kappa_w_mk_300k"))
            if value is not None and value <= 0:
                not_positive.append(value)
            continue
        known = _StructureColumns.model_fields.keys() | _LabelColumns.model_fields.keys() | {"id", "formula", "file"}
        numbers = ((k, finite_number(v)) for k, v in row.items() if k not in known)
        properties = {k: v for k, v in numbers if v is not None}
        rows.append(LabelledCrystal(crystal, label.kappa_w_mk_300k, label.fidelity, label.source, properties, number))
    return LabelledTable(path.name, rows, rejections, file_sha256(path), tuple(not_positive))


def reason_of_temperature(row: Mapping[str, Any]) -> str | None:
    """Why the value of a row, by column, is no value at 300 K, if a column says that it is not.

    Temperatures, K, have the name `temperature_k`, `temperature`, `T` or the like, and count as 300 K within 10 K.
    """
    for name, value in row.items():
        if name == "T" or re.sub("[^a-z]", "", str(name).lower()) in _TEMPERATURES:
            temperature = finite_number(value)
            if temperature is not None and abs(temperature - TEMPERATURE_K) > _NEAR_K:
                return f"its value is one at {temperature:g} K, and models learn values at 300 K: give that one"
    return None


def read_table_crystals(path: str | Path) -> Iterator[Crystal | Rejection]:
    """The crystals of a table, labelled or not, one after the other.

    Raises:
        BadTable: The file is missing, of another kind, unreadable, or lacks a column.
    """
    path = Path(path)
    number = 0
    for number, row in enumerate(table_rows(path), 1):
        yield crystal_of_row(row, number, path)
    if not number:
        raise BadTable(f"{path}: the table has no rows")


def table_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a table by column; one that could not be read carries its fault for `crystal_of_row`.

    Raises:
        BadTable: The file is missing, of another kind, or unreadable.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise BadTable(f"{path}: a table is one of {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise BadTable(f"{path}: {'a folder, not a file' if path.is_dir() else 'no such file'}")
    reader = {".parquet": _parquet_rows, ".jsonl": _json_rows, ".csv": _csv_rows}[suffix]
    try:
        for row in reader(path):
            yield {_ALIASES.get(key, key): value for key, value in row.items()}
    except OSError as error:
        raise BadTable(f"{path}: cannot be read ({error.strerror or error})") from error
    except csv.Error as error:
        raise BadTable(f"{path}: not a readable CSV ({error})") from error


def _parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=1024):
            yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise BadTable(f"{path}: not a readable Parquet file ({error})") from error


def _json_rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for line in file:
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (json.JSONDecodeError, RecursionError) as error:
                row = {_FAULT: f"not JSON ({error}): give one object per line"}
            yield row if isinstance(row, dict) else {_FAULT: "not a JSON object: give one object per line"}


def _csv_rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        lines = csv.reader(file)
        header = [name.strip() for name in next(lines, [])]
        for values in lines:
            if len(values) > len(header):
                fault = "more values than the header has columns: write 6.5, not 6,5, and quote text with a comma"
                yield dict.fromkeys(header) | {_FAULT: fault}
            elif values:
                filled = [value.strip() or None for value in values] + [None] * (len(header) - len(values))
                yield dict(zip(header, filled, strict=True))


def crystal_of_row(row: dict[str, Any], number: int, path: Path) -> Crystal | Rejection:
    """The crystal of one row.

    Args:
        row: As `table_rows` gave it.
        number: Position in the table, counted from 1.
        path: The table.

    Raises:
        BadTable: A column is missing.
    """
    name = f"{path.stem}#{number}" if row.get("id") in (None, "") else str(row["id"])
    formula = row["formula"] if isinstance(row.get("formula"), str) else None
    if _FAULT in row:
        return Rejection(name, f"row {number}: {row[_FAULT]}", str(path))
    if path.suffix.lower() == ".csv":
        return _crystal_of_file(row, name, number, path)
    if number == 1 and path.suffix.lower() == ".parquet":
        _require(row, _CRYSTAL_COLUMNS, path)
    try:
        cell = _StructureColumns.model_validate(row)
        if len(cell.species) != len(cell.frac_coords):
            raise BadCrystal(f"{len(cell.species)} species but {len(cell.frac_coords)} frac_coords: give one per atom")
        numbers = [atomic_number(symbol, site) for site, symbol in enumerate(cell.species, 1)]
        return check(
            Crystal(np.array(cell.lattice), np.array(numbers), np.array(cell.frac_coords), id=name, file=str(path))
        )
    except ValidationError as error:
        return Rejection(name, f"row {number}: {_sentence(error)}", str(path), formula)
    except BadCrystal as error:
        return Rejection(name, f"row {number}: {error}", str(path), formula)


def _crystal_of_file(row: dict[str, Any], name: str, number: int, path: Path) -> Crystal | Rejection:
    _require(row, {"file"}, path)
    if not row["file"]:
        return Rejection(name, f"row {number}: names no structure file: fill the column 'file'", str(path))
    file = path.parent / row["file"]
    entries = list(read_file(file, printable(str(file))))
    if len(entries) != 1:
        reason = f"row {number}: {row['file']} holds {len(entries)} crystals: give one file per row"
        return Rejection(name, reason, str(path))
    (entry,) = entries
    if isinstance(entry, Rejection):
        entry = replace(entry, reason=f"row {number}: {entry.reason}")
    return replace(entry, id=name)


def _require(row: dict[str, Any], columns: set[str], path: Path) -> None:
    missing = sorted(columns - row.keys())
    if not missing:
        return
    names = ", ".join(repr(name) for name in missing)
    what = f"column {names} is missing" if len(missing) == 1 else f"columns {names} are missing"
    hint = ": 'kappa' is taken for 'kappa_w_mk_300k'" if "kappa_w_mk_300k" in missing else ""
    if len(row) == 1 and any(mark in next(iter(row)) for mark in ";\t"):
        hint = ": separate the columns by commas"
    raise BadTable(f"{path}: {what} (found: {', '.join(row)}){hint}")


def _sentence(error: ValidationError) -> str:
    faults = [f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()[:3]]
    return "; ".join(faults)
