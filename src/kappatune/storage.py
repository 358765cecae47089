"""Files: what ships with the package, atomic writes, and hashes."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kappatune.errors import BadRequest

ASSETS = Path(__file__).parent / "assets"
"""Folder of everything that ships with the package."""

SHIPPED_TABLES = {
    "shipped:prototypes": ASSETS / "prototypes" / "agl",
    "shipped:textbook": ASSETS / "textbook" / "values.csv",
}
"""Tables that ship with the package, under the names recipes give them."""


def make_folder(folder: Path) -> None:
    """Make a folder for results, before they are computed; one that is there stays as it is.

    Raises:
        BadRequest: It cannot be made, or nothing can be written into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_writable = os.access(folder, os.W_OK)
    except OSError:
        is_writable = False
    if not is_writable:
        raise BadRequest(f"{folder}: nothing can be written there: give another folder, or the right to write into it")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; it replaces `path` when the block ends without an error.

    A reader sees the old file or the whole new one, never a part, even if the process is killed. The temporary name
    begins with a dot, so that readers of a folder pass over one that a killed process left behind.

    Raises:
        OSError: The file cannot be written; the temporary file is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def remove_partials(folder: Path, pattern: str = "*") -> None:
    """Remove the temporary files that killed processes left in a folder.

    Args:
        folder: The folder; it need not exist.
        pattern: Glob pattern for the names of the files that were being written.
    """
    for partial in folder.glob(f".{pattern}.*.partial"):
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file, whole or not at all."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")


def file_sha256(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
