"""What a part of a scan records of its sources, and what has changed in them since.

A part is recognised by content: by the hash of its items, and by the hashes of the files that the items name. Times do
not count. Parts written by kappatune 0.2.0 or earlier hold sizes and times of files instead of their hashes.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq

from kappatune.screening.settings import BadRequest
from kappatune.screening.unit import Unit
from kappatune.structures.text import printable

_UNIT_HASH = b"unit_sha256"
_FILE_HASHES = b"file_hashes"

Record = dict[bytes, bytes]
"""Metadata of a part."""


def record_of(unit: Unit) -> Record:
    """What a part is to record of its unit. Made before the files are read, it does not miss a later change."""
    record = {_UNIT_HASH: unit.digest().encode()}
    if hashes := unit.file_hashes():
        record[_FILE_HASHES] = b64encode(zlib.compress(json.dumps(hashes).encode()))
    return record


def require_unchanged(part: Path, unit: Unit) -> None:
    """Refuse a part that was made from something else than this unit.

    Raises:
        BadRequest: It names the file that has changed, appeared or disappeared.
    """
    record: Record = pq.read_metadata(part).metadata or {}
    same_items = record.get(_UNIT_HASH) == unit.digest().encode()
    before = _file_hashes(record)
    if before is None:
        if same_items or record.get(_UNIT_HASH) == _digest_with_times(unit):
            return
        names = _files_of_rows(part)
        what = _changed_item(unit, names)
        if unit.kind == "files":
            what = _changed_since(part, unit) if names == unit.items else _changed_files(dict.fromkeys(names, ""), unit)
    elif same_items and before == unit.file_hashes():
        return
    elif unit.kind == "files" or same_items:
        what = _changed_files(before, unit)
    else:
        what = _changed_item(unit, [] if unit.structure_files() else [*before])
    raise BadRequest(f"{printable(what)}, or start again in another --out")


def disappeared(part: Path) -> BadRequest:
    """Why a scan cannot be resumed whose sources no longer have what a part was made from."""
    names = [name for name in _files_of_rows(part) if not Path(name).exists()]
    what = _gone(names) if names else "the sources hold fewer crystals than when this scan began: restore them"
    return BadRequest(f"{printable(what)}, or start again in another --out")


def _file_hashes(record: Record) -> dict[str, str] | None:
    if _FILE_HASHES not in record:
        return None
    hashes: dict[str, str] = json.loads(zlib.decompress(b64decode(record[_FILE_HASHES])))
    return hashes


def _files_of_rows(part: Path) -> list[str]:
    """The files that the rows of a part name, in order."""
    return [name for name in dict.fromkeys(pq.read_table(part, columns=["file"])["file"].to_pylist()) if name]


def _changed_files(before: dict[str, str], unit: Unit) -> str:
    """What differs between the files of a part and those of its unit; hashes may be unknown (empty)."""
    now = unit.file_hashes()
    gone = [name for name in before if not now.get(name) and not Path(name).exists()]
    new = [name for name in now if name not in before]
    if changed := [name for name in now if before.get(name, now[name]) not in ("", now[name]) and name not in gone]:
        return f"{_listed(changed)} has changed since this scan began: restore it"
    if renamed := next(((old, name) for old in gone for name in new if before[old] == now[name] != ""), None):
        return f"{renamed[0]} has been renamed to {renamed[1]} since this scan began: rename it back"
    return _gone(gone) if gone else _changed_list([*before], [*now], new)


def _changed_list(before: list[str], now: list[str], new: list[str]) -> str:
    """What differs between two lists of files, none of which has gone or changed; units before may not be done yet."""
    if not set(before) & set(now):
        return f"files that come before {before[0]} have appeared or disappeared since this scan began: restore them"
    if before[0] not in now:
        return f"a file that comes before {before[0]} has disappeared since this scan began: restore it"
    if not new:
        return f"the files around {before[0]} have changed their order since this scan began: restore it"
    perhaps = ", or a file that comes before it," if new[0] == now[0] else ""
    return f"{_listed(new)}{perhaps} has appeared since this scan began: scan it by itself"


def _changed_since(part: Path, unit: Unit) -> str:
    """The files with a time later than that of a part, which records no more of them."""
    written = part.stat().st_mtime_ns
    later = [item for item in unit.items if Path(item).stat().st_mtime_ns > written] or unit.items
    return (
        f"{_listed(later)} has been written again since this scan began, and an earlier version of kappatune, which "
        "recorded times in place of contents, began it: restore its time"
    )


def _changed_item(unit: Unit, names: Iterable[str]) -> str:
    """Which source has changed, of a unit whose items are not files; `names` are those of the part."""
    others = [name for name in names if name != unit.file]
    if unit.kind not in ("rows", "frames", "atoms") or unit.structure_files() or unit.file in names or not others:
        return f"{unit.file} has changed since this scan began: restore it"
    if gone := [name for name in others if not Path(name).exists()]:
        return _gone(gone)
    return f"{unit.file} has appeared, or {others[0]} has changed, since this scan began: restore the sources"


def _gone(names: list[str]) -> str:
    return f"{_listed(names)} has disappeared since this scan began: restore it"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} (one of {len(names)} files)"


def _digest_with_times(unit: Unit) -> bytes:
    """Hash of a unit of files as kappatune 0.2.0 and earlier made it."""
    if unit.kind != "files":
        return b""
    digest = hashlib.sha256(f"{unit.kind} {unit.file} {unit.first}".encode("utf-8", "surrogateescape"))
    for item in unit.items:
        state = Path(item).stat()
        digest.update(f"{item} {state.st_size} {state.st_mtime_ns}".encode("utf-8", "surrogateescape"))
    return digest.hexdigest().encode()
