"""Lists of results, one JSON file each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, TypeAdapter

Stored = TypeVar("Stored", bound=BaseModel)


def read_stored(path: Path, kind: type[Stored]) -> list[Stored]:
    """What a file holds; nothing if it is not there."""
    return TypeAdapter(list[kind]).validate_json(path.read_bytes()) if path.is_file() else []  # type: ignore[valid-type]


def write_stored(path: Path, stored: Sequence[BaseModel]) -> None:
    """Write all, or leave the file as it was."""
    partial = path.with_suffix(".partial")
    partial.write_bytes(TypeAdapter(list[BaseModel]).dump_json([*stored], indent=1, serialize_as_any=True) + b"\n")
    partial.replace(path)
