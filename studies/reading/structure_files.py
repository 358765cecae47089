"""Structure files in folders and in archives of sources, each content once."""

from __future__ import annotations

import gzip
import hashlib
import re
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kappatune.structures.files import kind_of

MAX_BYTES = 25_000
"""Larger ones, mostly of organic molecules, take the other readers too long."""

_MAX_BYTES_OF_FILE = 3_000_000
_ARCHIVES = (".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".zip")
_BLOCK = re.compile(rb"^data_", re.IGNORECASE)
_SITES = re.compile(rb"^\s*_atom_site[_.](?!aniso)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class StructureFile:
    """One file, or one data block of a CIF that has several with atoms.

    Attributes:
        name: Archive and path within it; `#2` for the second block.
        kind: As `kappatune.structures.files.kind_of` names it.
        content: Bytes, not compressed.
    """

    name: str
    kind: str
    content: bytes

    @property
    def hash(self) -> str:
        """Of the content."""
        return hash_of(self.content)


def hash_of(content: bytes) -> str:
    """By which files are told apart."""
    return hashlib.sha256(content).hexdigest()[:12]


def structure_files(sources: Iterable[Path]) -> Iterator[StructureFile]:
    """Files with names of structure files, and the data blocks of CIFs, each content once."""
    seen: set[str] = set()
    for source in sources:
        for name, content in _members(source):
            kind = kind_of(PurePosixPath(name))
            if kind is None or not content.strip() or len(content) > _MAX_BYTES_OF_FILE:
                continue
            for one in _blocks(StructureFile(name, kind, content)):
                if len(one.content) <= MAX_BYTES and one.hash not in seen:
                    seen.add(one.hash)
                    yield one


def _members(source: Path) -> Iterator[tuple[str, bytes]]:
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.is_file() and path.name.endswith(_ARCHIVES):
                yield from _members(path)
            elif path.is_file():
                yield str(path.relative_to(source)), _inflated(path.read_bytes())
    elif zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            for entry in sorted(archive.namelist()):
                if kind_of(PurePosixPath(entry)):
                    yield entry, _inflated(archive.read(entry))
    elif source.name.endswith(_ARCHIVES):
        with tarfile.open(source) as archive:
            for member in archive:
                if member.isfile() and kind_of(PurePosixPath(member.name)) and (file := archive.extractfile(member)):
                    yield member.name, _inflated(file.read())


def _inflated(content: bytes) -> bytes:
    try:
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (OSError, EOFError):
        return b""


def _blocks(file: StructureFile) -> Iterator[StructureFile]:
    """The data blocks with atoms, if there are several."""
    blocks: list[list[bytes]] = [[]]
    in_text = False
    for line in file.content.splitlines(keepends=True) if file.kind == "CIF" else ():
        if line.startswith(b";"):
            in_text = not in_text
        elif not in_text and _BLOCK.match(line):
            blocks.append([])
        blocks[-1].append(line)
    with_atoms = [text for lines in blocks if _SITES.search(text := b"".join(lines))]
    if len(with_atoms) < 2:
        yield file
        return
    for number, text in enumerate(with_atoms, 1):
        yield StructureFile(f"{file.name}#{number}", file.kind, text)
