"""Reading one structure file: which kind it is, its reader, and the checks of every crystal in it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from itertools import chain
from pathlib import Path, PurePath
from typing import BinaryIO

from kappatune.structures.cif import read_cif
from kappatune.structures.crystal import BadCrystal, Crystal, Rejection, check
from kappatune.structures.extxyz import read_extxyz
from kappatune.structures.json_file import read_json
from kappatune.structures.poscar import read_poscar
from kappatune.structures.text import printable, unexpected

Reader = Callable[[BinaryIO], Iterator[Crystal | Rejection]]
"""Reads an open file. What it yields has no file and, unless the file gives one, no id."""

READERS: dict[str, Reader] = {
    "CIF": read_cif,
    "POSCAR": read_poscar,
    "extxyz": read_extxyz,
    "JSON": read_json,
}
_KIND_OF_SUFFIX = {
    ".cif": "CIF",
    ".vasp": "POSCAR",
    ".poscar": "POSCAR",
    ".extxyz": "extxyz",
    ".xyz": "extxyz",
    ".json": "JSON",
}
FILE_NAMES = f"{', '.join(f'*{suffix}' for suffix in _KIND_OF_SUFFIX)}, POSCAR*, CONTCAR*"
"""How structure files are named, for messages."""

_POSCAR_NAMES = ("POSCAR", "CONTCAR")
_CIF_LINE = re.compile(r"^\s*(data_|_cell_length_)", re.IGNORECASE | re.MULTILINE)
_HEAD_BYTES = 100_000


def read_file(path: Path, name: str) -> Iterator[Crystal | Rejection]:
    """Read the crystals of one structure file.

    Args:
        path: The file.
        name: How results and reasons call it.

    Yields:
        At least one entry; a file that is missing, is a folder or is of no kind that is read gives a reason.
    """
    yield from _named(file_id(path), name, _entries_of_file(path))


def read_content(content: bytes, name: str) -> Iterator[Crystal | Rejection]:
    """Read the crystals of a file that is not on this disk.

    Args:
        content: Its bytes.
        name: What it is called. The kind is taken from it, or from the content where it tells nothing; it is never
            looked for on the disk.

    Yields:
        As `read_crystals`.
    """
    path, file = PurePath(name), printable(name)
    kind = kind_of(path) or kind_of_content(content)
    if kind is None:
        yield Rejection(
            file_id(path), "this is not a CIF, POSCAR, extxyz or JSON file of structures: give one of these", file
        )
        return
    yield from _named(file_id(path), file, _checked_entries(kind, BytesIO(content)))


def kind_of(path: PurePath) -> str | None:
    """Kind of a structure file by its name, a key of `READERS`, or None."""
    kind = _KIND_OF_SUFFIX.get(path.suffix.lower())
    return kind or ("POSCAR" if path.name.startswith(_POSCAR_NAMES) else None)


def kind_of_content(content: bytes) -> str | None:
    """Kind of a structure file by how it begins, a key of `READERS`, or None."""
    head = content[:_HEAD_BYTES].decode("utf-8", "replace").removeprefix("\ufeff")
    lines = [line.split() for line in head.splitlines()[:5]]
    if head.lstrip()[:1] in ("{", "["):
        return "JSON"
    if _CIF_LINE.search(head):
        return "CIF"
    if len(lines) == 5 and len(lines[1]) == 1 and all(len(line) == 3 for line in lines[2:]):
        return "POSCAR"
    if len(lines) > 1 and len(lines[0]) == 1 and lines[0][0].isdecimal():
        return "extxyz"
    return None


def file_id(path: PurePath) -> str:
    """Stem of a file; a POSCAR, always named the same, goes by its folder."""
    if path.name in _POSCAR_NAMES and path.parent.name:
        return printable(f"{path.parent.name}/{path.name}")
    return printable(path.stem if path.suffix.lower() in _KIND_OF_SUFFIX else path.name)


def _named(stem: str, file: str, entries: Iterator[Crystal | Rejection]) -> Iterator[Crystal | Rejection]:
    """Entries of one file with their ids, read one ahead to know whether there are several."""
    entries = _quietly(entries)
    head = [entry for entry in (next(entries, None), next(entries, None)) if entry]
    for position, entry in enumerate(chain(head, entries), 1):
        yield replace(entry, id=entry.id or (stem if len(head) == 1 else f"{stem}#{position}"), file=file)


def _entries_of_file(path: Path) -> Iterator[Crystal | Rejection]:
    kind = kind_of(path)
    try:
        if path.is_dir():
            yield Rejection("", "this is a folder, where a structure file is expected: give a file")
        elif not path.exists():
            yield Rejection("", "there is no such file or folder: check the path")
        elif kind is None:
            yield Rejection("", f"this kind of file is not read: structure files are named {FILE_NAMES}")
        else:
            with path.open("rb") as file:
                yield from _checked_entries(kind, file)
    except OSError as error:
        yield Rejection("", f"the file cannot be opened ({error.strerror or error}): check its permissions")


def _checked_entries(kind: str, file: BinaryIO) -> Iterator[Crystal | Rejection]:
    try:
        for entry in READERS[kind](file):
            yield _checked(entry) if isinstance(entry, Crystal) else entry
    except BadCrystal as error:
        yield Rejection("", str(error))
    except OSError:
        raise
    except Exception as error:
        yield Rejection("", unexpected(kind, error))


def _checked(crystal: Crystal) -> Crystal | Rejection:
    try:
        return check(crystal)
    except BadCrystal as error:
        return Rejection(crystal.id, str(error), formula=crystal.formula if crystal.n_atoms else None)


def _quietly(entries: Iterator[Crystal | Rejection]) -> Iterator[Crystal | Rejection]:
    """The same entries, without the parsers' warnings: their causes are checked by the readers."""
    while True:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            entry = next(entries, None)
        if entry is None:
            return
        yield entry
