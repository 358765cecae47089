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
        """Hash of the content, by which a resumed scan notices that a source has changed."""
        digest = hashlib.sha256(f"{self.kind} {self.file} {self.first}".encode("utf-8", "surrogateescape"))
        for item in self.items:
            if self.kind == "files":
                state = Path(item).stat()
                digest.update(f"{item} {state.st_size} {state.st_mtime_ns}".encode("utf-8", "surrogateescape"))
            else:
                digest.update(item if isinstance(item, bytes) else json.dumps(item, default=str).encode())
        return digest.hexdigest()
