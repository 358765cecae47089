"""The store of results: one file per study in `studies/results`, and the only code that reads or writes it.

A study with a single result has a file `NAME.json`. A study of many records, computed one after the other, has a file
`NAME.jsonl`: one record per line, sorted by kind and name, so that git shows a change as few lines. Every write
replaces the file as a whole: a killed study loses the record it was computing and no other.
"""

from __future__ import annotations

import json
import platform
from abc import abstractmethod
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import typer
from pydantic import BaseModel, ConfigDict

from kappatune.storage import write_text
from studies.machine import machine_gflops

RESULTS = Path(__file__).parent / "results"
"""Folder of all results."""


def save_result(name: str, result: dict[str, Any]) -> None:
    """Store the result of a study in `NAME.json`, with date, versions and machine speed, and print it."""
    record = {
        "schema_version": 1,
        "study": name,
        "date": today(),
        "versions": versions(),
        "machine_gflops": round(machine_gflops(), 1),
        **result,
    }
    text = json.dumps(record, indent=1)
    write_text(RESULTS / f"{name}.json", text + "\n")
    typer.echo(text)


def load_result(name: str) -> dict[str, Any]:
    """The stored result of a study.

    Raises:
        FileNotFoundError: Nothing is stored under this name.
    """
    result: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return result


def is_stored(name: str) -> bool:
    """Whether there is a result under this name."""
    return (RESULTS / f"{name}.json").is_file()


def load_results(prefix: str) -> list[dict[str, Any]]:
    """The stored results whose names begin with a prefix, such as those of one study with several potentials."""
    return [load_result(path.stem) for path in sorted(RESULTS.glob(f"{prefix}*.json"))]


def today() -> str:
    """The date in UTC, ISO 8601."""
    return datetime.now(UTC).date().isoformat()


def versions() -> dict[str, str]:
    """Versions of Python, kappatune, torch and numpy."""
    return {"python": platform.python_version(), **{name: version(name) for name in ("kappatune", "torch", "numpy")}}


class Record(BaseModel):
    """One line of a `.jsonl` file.

    Attributes:
        record: Kind of the record; each subclass fixes its own.
    """

    model_config = ConfigDict(extra="forbid")

    record: str

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the record, unique among those of its kind."""


AnyRecord = TypeVar("AnyRecord", bound=Record)


class RecordFile:
    """The records of one study in a `.jsonl` file. One process at a time may write."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, record_type: type[AnyRecord]) -> list[AnyRecord]:
        """All records of one type, by name; none if there is no file."""
        lines = self._lines_by_kind().get(_kind(record_type), [])
        return [record_type.model_validate_json(line) for line in lines]

    def add(self, *records: Record) -> None:
        """Add records of one type; one that has the name of a stored one replaces it."""
        record_type = type(records[0])
        by_name: dict[str, Record] = {record.name: record for record in self.read(record_type)}
        self.replace(record_type, (by_name | {record.name: record for record in records}).values())

    def replace(self, record_type: type[Record], records: Iterable[Record]) -> None:
        """Store these records in place of all others of their type."""
        lines = self._lines_by_kind()
        ordered = sorted(records, key=lambda record: record.name)
        lines[_kind(record_type)] = [record.model_dump_json() for record in ordered]
        write_text(self.path, "".join(f"{line}\n" for kind in sorted(lines) for line in lines[kind]))

    def _lines_by_kind(self) -> dict[str, list[str]]:
        lines: dict[str, list[str]] = {}
        if self.path.is_file():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                lines.setdefault(json.loads(line)["record"], []).append(line)
        return lines


def _kind(record_type: type[Record]) -> str:
    kind: str = record_type.model_fields["record"].default
    return kind
