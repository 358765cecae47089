"""Crystals from files, folders, glob patterns and tables, one after the other."""

from __future__ import annotations

import glob
import stat
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from kappatune.structures.crystal import Crystal, Rejection
from kappatune.structures.files import FILE_NAMES, file_id, kind_of, read_file
from kappatune.structures.table import SUFFIXES, BadTable, read_table_crystals
from kappatune.structures.text import printable

_READ = (
    f"files read are {FILE_NAMES} and tables ({', '.join(f'*{suffix}' for suffix in SUFFIXES)}, "
    "but not those inside a folder)"
)


def read_crystals(sources: Iterable[str | Path]) -> Iterator[Crystal | Rejection]:
    """Read crystals, and say for each that cannot be used why.

    Args:
        sources: Files, folders (read with all that is below them) and glob patterns. A file that is named by itself is
            read whatever its name; of a folder or pattern, those with the name of a structure file are.

    Yields:
        One entry per crystal, in the order of the sources; files of a folder or pattern are sorted.
        Nothing is held in memory beyond the file, or the extxyz frame, being read.
    """
    for source in [sources] if isinstance(sources, str | Path) else sources:
        yield from _read_source(source)


def _read_source(source: str | Path) -> Iterator[Crystal | Rejection]:
    path, name = source if isinstance(source, Path) else Path(source), printable(str(source))
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        mode = 0
    if stat.S_ISDIR(mode):
        yield from _read_all(structure_files(path), Rejection(name, f"the folder has no structure file: {_READ}", name))
    elif mode and path.suffix.lower() in SUFFIXES:
        yield from _read_table(path, name)
    elif mode:
        yield from read_file(path, name)
    elif glob.has_magic(name):
        found = sorted(glob.glob(str(source), recursive=True))
        matches = chain.from_iterable(_files_of_match(Path(match)) for match in found)
        yield from _read_all(matches, Rejection(name, f"no structure file matches the pattern: {_READ}", name))
    else:
        yield Rejection(file_id(path), "there is no such file or folder: check the path", name)


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
        yield Rejection(file_id(path), str(error), name)


def _read_all(paths: Iterator[Path], if_none: Rejection) -> Iterator[Crystal | Rejection]:
    first = next(paths, None)
    if first is None:
        yield if_none
        return
    for path in chain([first], paths):
        read = _read_table if path.suffix.lower() in SUFFIXES else read_file
        yield from read(path, printable(str(path)))
