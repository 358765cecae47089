"""Reading one structure file: which kind it is, its reader, and the checks of every crystal in it."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BufferedReader, BytesIO
from itertools import chain
from pathlib import Path, PurePath
from typing import BinaryIO, cast

from kappatune.structures.cif import read_cif
from kappatune.structures.crystal import BadCrystal, Crystal, Rejection
from kappatune.structures.extxyz import read_extxyz
from kappatune.structures.json_file import read_json
from kappatune.structures.poscar import begins_poscar, read_poscar
from kappatune.structures.text import decoded, printable, unexpected

Reader = Callable[[BinaryIO], Iterator[Crystal | Rejection]]
"""Reads an open file. What it yields is checked, and has no file and, unless the file gives one, no id."""

READERS: dict[str, Reader] = {
    "CIF": read_cif,
    "POSCAR": read_poscar,
    "extxyz": read_extxyz,
    "JSON": read_json,
}
_KIND_OF_SUFFIX = {
    ".cif": "CIF",
    ".mcif": "CIF",
    ".vasp": "POSCAR",
    ".poscar": "POSCAR",
    ".extxyz": "extxyz",
    ".xyz": "extxyz",
    ".json": "JSON",
}
FILE_NAMES = f"{', '.join(f'*{suffix}' for suffix in _KIND_OF_SUFFIX)}, POSCAR*, *POSCAR, CONTCAR*, all also with .gz"
"""How structure files are named, for messages."""

MAX_INFLATED_BYTES = 2**30
"""A compressed file may hold so much."""

_POSCAR_NAMES = ("POSCAR", "CONTCAR")
_POSCAR_NAME = re.compile(r"(POSCAR|CONTCAR).*|.*(?i:POSCAR|CONTCAR)[-_.]?\d*", re.DOTALL)
_CIF_LINE = re.compile(r"^\s*(data_|_cell[_.]length_)", re.IGNORECASE | re.MULTILINE)
_HEAD_BYTES = 100_000
_GZIP = b"\x1f\x8b"


def read_file(path: Path, name: str) -> Iterator[Crystal | Rejection]:
    """Read the crystals of one structure file.

    Args:
        path: The file. Its kind is taken from its name, or else from its content.
        name: Its name in results and reasons.

    Yields:
        At least one entry; a file that is missing, is a folder or is of no kind that is read gives a reason.
    """
    yield from _named(file_id(path), name, _entries_of_file(path))


def read_content(
    content: bytes, name: str, max_inflated_bytes: int = MAX_INFLATED_BYTES
) -> Iterator[Crystal | Rejection]:
    """Read the crystals of a file that is not on this disk.

    Args:
        content: Its bytes, perhaps compressed by gzip.
        name: What it is called. The kind is taken from it, or else from the content. No such file is
            looked for on the disk.
        max_inflated_bytes: A compressed file that holds more is refused.

    Yields:
        As `read_file`.
    """
    path = PurePath(name)
    entries = _entries(_buffered(content), kind_of(path), max_inflated_bytes)
    yield from _named(file_id(path), printable(name), entries)


def kind_of(path: PurePath) -> str | None:
    """Kind of a structure file by its name, a key of `READERS`, or None."""
    suffix = path.suffix.lower()
    if suffix == ".gz":
        path = path.with_suffix("")
        suffix = path.suffix.lower()
    return _KIND_OF_SUFFIX.get(suffix) or ("POSCAR" if _POSCAR_NAME.fullmatch(path.name) else None)


def kind_of_content(content: bytes) -> str | None:
    """Kind of a structure file by how it begins, a key of `READERS`, or None."""
    head = decoded(content[:_HEAD_BYTES].removeprefix(codecs.BOM_UTF8))
    lines = head.splitlines()[:5]
    if begins_poscar(lines):
        return "POSCAR"
    if head.lstrip()[:1] in ("{", "["):
        return "JSON"
    if _CIF_LINE.search(head):
        return "CIF"
    if len(lines) > 1 and lines[0].strip().isdecimal():
        return "extxyz"
    return None


def is_structure_file(path: Path) -> bool:
    """Whether a file is read as one of the kinds in `READERS`, by its name or else by its content."""
    if kind_of(path):
        return True
    try:
        with _opened(path, None) as file:
            return kind_of_content(_inflated(file, MAX_INFLATED_BYTES).peek(_HEAD_BYTES)) is not None
    except (BadCrystal, OSError, EOFError, zlib.error):
        return False


def file_id(path: PurePath) -> str:
    """Stem of a file; a POSCAR, always named the same, goes by its folder."""
    if path.suffix.lower() == ".gz":
        path = path.with_suffix("")
    if path.name in _POSCAR_NAMES and path.parent.name:
        return printable(f"{path.parent.name}/{path.name}")
    return printable(path.stem if path.suffix.lower() in _KIND_OF_SUFFIX else path.name)


def _named(stem: str, file: str, entries: Iterator[Crystal | Rejection]) -> Iterator[Crystal | Rejection]:
    """Entries of one file with their ids, read one ahead to know whether there are several."""
    head = [entry for entry in (next(entries, None), next(entries, None)) if entry]
    for position, entry in enumerate(chain(head, entries), 1):
        id = entry.id or (stem if len(head) == 1 else f"{stem}#{position}")
        if isinstance(entry, Crystal):
            yield entry.named(id, file)
        else:
            yield replace(entry, id=id, file=file)


def _entries_of_file(path: Path) -> Iterator[Crystal | Rejection]:
    kind = kind_of(path)
    try:
        with _opened(path, kind) as file:
            yield from _entries(file, kind, MAX_INFLATED_BYTES)
    except FileNotFoundError:
        yield Rejection("", "there is no such file or folder: check the path")
    except IsADirectoryError:
        yield Rejection("", "this is a folder, where a structure file is expected: give a file")
    except OSError as error:
        yield Rejection("", f"the file cannot be opened ({error.strerror or error}): check its permissions")


def _entries(file: BufferedReader, kind: str | None, max_inflated_bytes: int) -> Iterator[Crystal | Rejection]:
    """The entries of an open file, checked."""
    try:
        inflated = _inflated(file, max_inflated_bytes)
        kind = kind or kind_of_content(inflated.peek(_HEAD_BYTES))
        if kind is None:
            yield Rejection(
                "", f"this is not a CIF, POSCAR, extxyz or JSON file of structures: give one, named {FILE_NAMES}"
            )
            return
        yield from READERS[kind](inflated)
    except BadCrystal as error:
        yield Rejection("", str(error))
    except (EOFError, zlib.error, gzip.BadGzipFile):
        yield Rejection("", "the file is compressed and damaged, or cut: get the complete file")
    except OSError:
        raise
    except Exception as error:
        yield Rejection("", unexpected(kind or "any structure file", error))


def _inflated(file: BufferedReader, most: int) -> BufferedReader:
    """The same file, or what a file compressed by gzip holds.

    Raises:
        BadCrystal: It holds more bytes than `most`.
    """
    if file.peek(2)[:2] != _GZIP:
        return file
    content = gzip.GzipFile(fileobj=file).read(most + 1)
    if len(content) > most:
        raise BadCrystal(f"the compressed file holds more than {most / 2**20:g} MiB: unpack it, or split it")
    return _buffered(content)


def _opened(path: Path, kind: str | None) -> BufferedReader:
    """An open file; one whose content is to tell its kind has a buffer large enough to peek into."""
    return cast(BufferedReader, path.open("rb", -1 if kind else _HEAD_BYTES))


def _buffered(content: bytes) -> BufferedReader:
    return BufferedReader(BytesIO(content), _HEAD_BYTES)
