"""Sources of a scan, cut into units of work without parsing: read once, in order, in constant memory."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from dataclasses import replace
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

from kappatune.data.materials_project import crystal_of_item, id_column, listed_items
from kappatune.data.optimade import crystal_of_entry, endpoint_of, optimade_pages
from kappatune.errors import BadSource
from kappatune.screening.unit import Unit
from kappatune.structures import BadCrystal, Crystal, Rejection, check, read_crystals
from kappatune.structures.extxyz import frame_texts, read_extxyz
from kappatune.structures.files import is_structure_file, kind_of
from kappatune.structures.read import structure_files
from kappatune.structures.table import SUFFIXES, crystal_of_row, table_rows

UNIT_SIZE = 256
"""Crystals, or files, per unit of work and per part of the result."""


def is_url(source: str) -> bool:
    """Whether a source is an OPTIMADE provider's URL rather than a path."""
    return source.lower().startswith(("http://", "https://"))


def units(sources: Iterable[str], fetched: Path, filter: str | None = None) -> Iterator[Unit]:
    """Cut sources into units.

    Args:
        sources: Files, folders and glob patterns: CIF, POSCAR, pymatgen JSON, extxyz with any number of
            frames, tables (`.parquet`, `.jsonl`, `.csv`), ASE databases (`.db`); URLs of OPTIMADE
            providers; `.csv` tables of Materials Project ids.
        fetched: Folder where fetched pages are stored, and found by a resumed scan.
        filter: OPTIMADE filter for the URLs.

    Raises:
        BadSource: A source does not exist, cannot be fetched, or holds nothing that can be read.
        kappatune.structures.table.BadTable: A table that cannot be read.
        OSError: The disk is full.
    """
    for source in sources:
        if is_url(source):
            yield from _optimade(source, filter, fetched)
            continue
        files: list[str] = []
        for path in _paths(source):
            if _streamed(path):
                yield from _files(files)
                files = []
                yield from _stream(path, fetched)
            else:
                files.append(str(path))
                if len(files) == UNIT_SIZE:
                    yield from _files(files)
                    files = []
        yield from _files(files)


def parse(unit: Unit) -> list[Crystal | Rejection]:
    """The crystals of a unit; every item gives at least one entry."""
    if unit.kind == "files":
        return list(read_crystals(unit.items))
    if unit.kind == "rows":
        path = Path(unit.file)
        return [crystal_of_row(row, number, path) for number, row in enumerate(unit.items, unit.first)]
    if unit.kind == "optimade":
        return [crystal_of_entry(item, number, unit.file) for number, item in enumerate(unit.items, unit.first)]
    if unit.kind == "materials_project":
        return [crystal_of_item(item, number, unit.file) for number, item in enumerate(unit.items, unit.first)]
    entries: list[Crystal | Rejection] = []
    stem = Path(unit.file).stem
    for number, item in enumerate(unit.items, unit.first):
        entry = _frame(item, number) if unit.kind == "frames" else _atoms(item)
        entries.append(replace(entry, id=entry.id or f"{stem}#{number}", file=unit.file))
    return entries


def _paths(source: str) -> Iterator[Path]:
    path = Path(source)
    if path.is_dir():
        found: Iterator[Path] = structure_files(path)
    elif path.is_file():
        if not _streamed(path) and not is_structure_file(path):
            raise BadSource(f"{source}: this kind of file cannot be read")
        found = iter([path])
    else:
        matches = (Path(match) for match in sorted(glob.glob(source, recursive=True)))
        found = (match for match in matches if match.is_file() and (_streamed(match) or kind_of(match)))
    first = next(found, None)
    if first is None:
        raise BadSource(f"{source}: no such file, or no structure below it")
    yield first
    yield from found


def _streamed(path: Path) -> bool:
    return path.suffix.lower() in (*SUFFIXES, ".extxyz", ".xyz", ".db")


def _files(paths: list[str]) -> Iterator[Unit]:
    if paths:
        yield Unit("files", "", 1, paths)


def _optimade(source: str, filter: str | None, fetched: Path) -> Iterator[Unit]:
    first = 1
    for entries in optimade_pages(source, filter, fetched):
        yield Unit("optimade", endpoint_of(source), first, entries)
        first += len(entries)


def _stream(path: Path, fetched: Path) -> Iterator[Unit]:
    first = 1
    if column := id_column(path):
        for listed in listed_items(path, column, UNIT_SIZE, fetched, resume="--resume"):
            yield Unit("materials_project", str(path), first, listed)
            first += len(listed)
        return
    items: Iterator[Any]
    if path.suffix.lower() in SUFFIXES:
        kind, items = "rows", table_rows(path)
    elif path.suffix.lower() == ".db":
        kind, items = "atoms", _ase_rows(path)
    else:
        kind, items = "frames", frame_texts(path)
    while batch := list(islice(items, UNIT_SIZE)):
        yield Unit(kind, str(path), first, batch)
        first += len(batch)
    if first == 1:
        raise BadSource(f"{path}: the file is empty")


def _ase_rows(path: Path) -> Iterator[dict[str, Any]]:
    from ase.db import connect

    for row in connect(path).select():
        yield {
            "id": row.unique_id,
            "numbers": row.numbers.tolist(),
            "cell": row.cell.tolist(),
            "positions": row.positions.tolist(),
            "pbc": row.pbc.tolist(),
        }


def _atoms(item: dict[str, Any]) -> Crystal | Rejection:
    from ase import Atoms

    settings = dict(item)
    name = settings.pop("id")
    try:
        return check(Crystal.from_ase(Atoms(**settings), id=name))
    except BadCrystal as error:
        return Rejection(name, str(error))


def _frame(text: bytes, number: int) -> Crystal | Rejection:
    try:
        return next(read_extxyz(BytesIO(text), first_frame=number))
    except BadCrystal as error:
        return Rejection("", str(error))
