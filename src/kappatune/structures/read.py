"""Crystals from files, folders and glob patterns, one after the other."""

from __future__ import annotations

import glob
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from io import BytesIO
from itertools import chain
from pathlib import Path, PurePath
from typing import BinaryIO

from kappatune.structures.cif import read_cif
from kappatune.structures.crystal import BadCrystal, Crystal, Rejection, check
from kappatune.structures.extxyz import read_extxyz
from kappatune.structures.poscar import read_poscar
from kappatune.structures.pymatgen_json import read_pymatgen_json
from kappatune.structures.table import SUFFIXES, BadTable, read_table_crystals
from kappatune.structures.text import printable, unexpected

Reader = Callable[[BinaryIO], Iterator[Crystal | Rejection]]
"""Reads an open file. What it yields has no file and, unless the file gives one, no id."""

READERS: dict[str, Reader] = {
    "CIF": read_cif,
    "POSCAR": read_poscar,
    "extxyz": read_extxyz,
    "pymatgen JSON": read_pymatgen_json,
}
_KIND_OF_SUFFIX = {
    ".cif": "CIF",
    ".vasp": "POSCAR",
    ".poscar": "POSCAR",
    ".extxyz": "extxyz",
    ".xyz": "extxyz",
    ".json": "pymatgen JSON",
}
_POSCAR_NAMES = ("POSCAR", "CONTCAR")
_CIF_LINE = re.compile(r"^\s*(data_|_cell_length_)", re.IGNORECASE | re.MULTILINE)
_HEAD_BYTES = 100_000
_READ = f"files read are {', '.join(f'*{suffix}' for suffix in _KIND_OF_SUFFIX)}, POSCAR*, CONTCAR* "
_READ += f"and tables ({', '.join(f'*{suffix}' for suffix in SUFFIXES)}, but not those inside a folder)"


def read_crystals(sources: Iterable[str | Path]) -> Iterator[Crystal | Rejection]:
    """Read crystals, and say for each that cannot be used why.

    Args:
        sources: Files, folders (read with all that is below them) and glob patterns.

    Yields:
        One entry per crystal, in the order of the sources; files of a folder or pattern are sorted.
        Nothing is held in memory beyond the file, or the extxyz frame, being read.
    """
    for source in [sources] if isinstance(sources, str | Path) else sources:
        yield from _read_source(source)


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
        yield Rejection(_file_id(path), "this is no CIF, POSCAR, extxyz or pymatgen JSON: give one of these", file)
        return
    yield from _named(_file_id(path), file, _checked_entries(kind, BytesIO(content)))


def kind_of(path: PurePath) -> str | None:
    """Kind of a structure file by its name, a key of `READERS`, or None."""
    kind = _KIND_OF_SUFFIX.get(path.suffix.lower())
    return kind or ("POSCAR" if path.name.startswith(_POSCAR_NAMES) else None)


def kind_of_content(content: bytes) -> str | None:
    """Kind of a structure file by how it begins, a key of `READERS`, or None."""
    head = content[:_HEAD_BYTES].decode("utf-8", "replace").removeprefix("\ufeff")
    lines = [line.split() for line in head.splitlines()[:5]]
    if head.lstrip()[:1] in ("{", "["):
        return "pymatgen JSON"
    if _CIF_LINE.search(head):
        return "CIF"
    if len(lines) == 5 and len(lines[1]) == 1 and all(len(line) == 3 for line in lines[2:]):
        return "POSCAR"
    if len(lines) > 1 and len(lines[0]) == 1 and lines[0][0].isdecimal():
        return "extxyz"
    return None


def _read_source(source: str | Path) -> Iterator[Crystal | Rejection]:
    path, name = Path(source), printable(str(source))
    try:
        exists, is_folder = path.exists(), path.is_dir()
    except OSError:
        exists, is_folder = False, False
    if is_folder:
        yield from _read_all(structure_files(path), Rejection(name, f"the folder has no structure file: {_READ}", name))
    elif exists and path.suffix.lower() in SUFFIXES:
        yield from _read_table(path, name)
    elif exists and kind_of(path) is None:
        yield Rejection(_file_id(path), f"this kind of file is not read: {_READ}", name)
    elif exists:
        yield from _read_file(path, name)
    elif glob.has_magic(name):
        found = sorted(glob.glob(str(source), recursive=True))
        matches = chain.from_iterable(_files_of_match(Path(match)) for match in found)
        yield from _read_all(matches, Rejection(name, f"no structure file matches the pattern: {_READ}", name))
    else:
        yield Rejection(_file_id(path), "there is no such file or folder: check the path", name)


def structure_files(folder: Path) -> Iterator[Path]:
    """Structure files of a folder, hidden ones left out."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and kind_of(path) and path.is_file():
            yield path


def _files_of_match(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from structure_files(path)
    elif kind_of(path) or path.suffix.lower() in SUFFIXES:
        yield path


def _read_table(path: Path, name: str) -> Iterator[Crystal | Rejection]:
    try:
        yield from read_table_crystals(path)
    except BadTable as error:
        yield Rejection(_file_id(path), str(error), name)


def _read_all(paths: Iterator[Path], if_none: Rejection) -> Iterator[Crystal | Rejection]:
    first = next(paths, None)
    if first is None:
        yield if_none
        return
    for path in chain([first], paths):
        read = _read_table if path.suffix.lower() in SUFFIXES else _read_file
        yield from read(path, printable(str(path)))


def _read_file(path: Path, file: str) -> Iterator[Crystal | Rejection]:
    yield from _named(_file_id(path), file, _entries_of_file(path))


def _named(stem: str, file: str, entries: Iterator[Crystal | Rejection]) -> Iterator[Crystal | Rejection]:
    """Entries of one file with their ids, read one ahead to know whether there are several."""
    entries = _quietly(entries)
    head = [entry for entry in (next(entries, None), next(entries, None)) if entry]
    for position, entry in enumerate(chain(head, entries), 1):
        yield replace(entry, id=entry.id or (stem if len(head) == 1 else f"{stem}#{position}"), file=file)


def _entries_of_file(path: Path) -> Iterator[Crystal | Rejection]:
    try:
        with path.open("rb") as file:
            yield from _checked_entries(kind_of(path) or "", file)
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


def _file_id(path: PurePath) -> str:
    """Stem of a file; a POSCAR, always named the same, goes by its folder."""
    if path.name in _POSCAR_NAMES and path.parent.name:
        return printable(f"{path.parent.name}/{path.name}")
    return printable(path.stem if path.suffix.lower() in _KIND_OF_SUFFIX else path.name)
