"""A piece of a source: what one worker turns into one part of a scan."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Unit:
    """Some crystals of a source, not parsed yet.

    Attributes:
        kind: `files`, `frames`, `rows`, `atoms`, `optimade` or `materials_project`.
        file: The file, or the URL, the items come from; empty for `files`.
        first: Position of the first item in its file, counted from 1.
        items: Paths, texts of extxyz frames, or rows of a table, of an ASE database or of a remote database as
            dictionaries.
    """

    kind: str
    file: str
    first: int
    items: list[Any]

    def digest(self) -> str:
        """Hash of the items; what stands in the files that they name is not in it."""
        digest = hashlib.sha256(f"{self.kind} {self.file} {self.first}".encode("utf-8", "surrogateescape"))
        for item in self.items:
            if isinstance(item, str):
                digest.update(item.encode("utf-8", "surrogateescape") + b"\n")
            else:
                digest.update(item if isinstance(item, bytes) else json.dumps(item, default=str).encode())
        return digest.hexdigest()

    def structure_files(self) -> list[str]:
        """The files that the items name: structure files themselves, or those of the rows of a CSV."""
        if self.kind == "files":
            return self.items
        if self.kind != "rows" or not self.file.lower().endswith(".csv"):
            return []
        folder = Path(self.file).parent
        return [str(folder / row["file"]) for row in self.items if row.get("file")]

    def file_hashes(self) -> dict[str, str]:
        """Hash of the content of each of `structure_files`; empty for one that cannot be read."""
        return {file: _content_hash(file) for file in dict.fromkeys(self.structure_files())}


def _content_hash(file: str) -> str:
    try:
        with Path(file).open("rb", buffering=0) as opened:
            return hashlib.sha256(opened.read()).hexdigest()[:32]
    except (OSError, ValueError):
        return ""
