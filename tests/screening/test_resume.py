"""A resumed scan goes by content, and names the file that has changed."""

from __future__ import annotations

import csv
import os
import time
from pathlib import Path

import ase.db
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kappatune.screening import BadRequest, screen, sources
from kappatune.screening.changes import _digest_with_times, record_of
from kappatune.screening.parts import part_path, write_part
from kappatune.screening.scan import _pending as pending_units
from kappatune.screening.sources import parse, units
from tests.screening.scans import as_atoms, pool, rows_of, write_extxyz, write_jsonl


@pytest.fixture(autouse=True)
def small_units(monkeypatch):
    monkeypatch.setattr(sources, "UNIT_SIZE", 4)


def poscars(folder: Path, n: int) -> Path:
    from ase.io import write

    folder.mkdir()
    for k, crystal in enumerate(pool(n)):
        write(folder / f"{k:02d}.vasp", as_atoms(crystal), format="vasp")
    return folder


def touch(path: Path) -> None:
    os.utime(path, (time.time() + 10, time.time() + 10))


def scan(sources: Path | str, out: Path) -> list[int]:
    """Write the parts that are missing, as workers do but without predicting; their numbers."""
    written = []
    for pending in pending_units(units([str(sources)], out / "fetched"), out):
        if isinstance(pending, tuple):
            index, unit = pending
            files = [entry.file for entry in parse(unit)]
            rows = pa.table({"file": files, "kappa_w_mk": [1.0] * len(files)})
            write_part(out, index, record_of(unit), rows)
            written.append(index)
    return written


@pytest.fixture
def work(tmp_path):
    """A finished scan of twelve files in three units."""
    assert scan(poscars(tmp_path / "cells", 12), tmp_path / "out") == [0, 1, 2]
    return tmp_path


def resume(work: Path) -> list[int]:
    return scan(work / "cells", work / "out")


def test_touched_files_are_the_same_files(work):
    for path in (work / "cells").iterdir():
        touch(path)
    assert resume(work) == []
    part_path(work / "out", 1).unlink()
    assert resume(work) == [1]


def test_a_scan_of_touched_files_is_resumed(tmp_path):
    cells = poscars(tmp_path / "cells", 5)
    screen(cells, tmp_path / "out", workers=1)
    before = rows_of(tmp_path / "out")
    part_path(tmp_path / "out", 1).unlink()
    touch(cells / "01.vasp")
    screen(cells, tmp_path / "out", workers=1, resume=True)
    assert rows_of(tmp_path / "out") == before
    (cells / "01.vasp").write_text("other")
    with pytest.raises(BadRequest, match=r"cells/01\.vasp has changed since this scan began"):
        screen(cells, tmp_path / "out", workers=1, resume=True)


def changed(cells: Path) -> None:
    (cells / "06.vasp").write_bytes((cells / "07.vasp").read_bytes())


def changed_within_the_same_time(cells: Path) -> None:
    state = (cells / "06.vasp").stat()
    (cells / "06.vasp").write_bytes((cells / "06.vasp").read_bytes()[::-1])
    os.utime(cells / "06.vasp", ns=(state.st_atime_ns, state.st_mtime_ns))


def several_changed(cells: Path) -> None:
    for name in ("06.vasp", "07.vasp"):
        (cells / name).write_text("other")


def removed(cells: Path) -> None:
    (cells / "06.vasp").unlink()


def last_unit_removed(cells: Path) -> None:
    for name in ("08", "09", "10", "11"):
        (cells / f"{name}.vasp").unlink()


def added(cells: Path) -> None:
    (cells / "06b.vasp").write_text("other")


def added_between_units(cells: Path) -> None:
    (cells / "03b.vasp").write_text("other")


def renamed(cells: Path) -> None:
    (cells / "06.vasp").rename(cells / "06b.vasp")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (changed, r"cells/06\.vasp has changed since this scan began: restore it, or start again"),
        (changed_within_the_same_time, r"cells/06\.vasp has changed"),
        (several_changed, r"cells/06\.vasp \(one of 2 files\) has changed"),
        (removed, r"cells/06\.vasp has disappeared since this scan began: restore it"),
        (last_unit_removed, r"cells/08\.vasp \(one of 4 files\) has disappeared"),
        (added, r"cells/06b\.vasp has appeared since this scan began"),
        (added_between_units, r"cells/03b\.vasp, or a file that comes before it, has appeared"),
        (renamed, r"cells/06\.vasp has been renamed to \S+/06b\.vasp since this scan began: rename it back"),
    ],
)
def test_the_file_that_has_changed_is_named(work, change, says):
    change(work / "cells")
    with pytest.raises(BadRequest, match=says):
        resume(work)


@pytest.mark.parametrize(("change", "says"), [(removed, r"06\.vasp has disappeared"), (added, "08.vasp, or a file")])
def test_changes_in_a_unit_that_is_not_done_yet(work, change, says):
    """The units after it are cut differently, so none of their files is blamed for certain."""
    part_path(work / "out", 1).unlink()
    change(work / "cells")
    blamed = "a file that comes before .*08.vasp has disappeared" if change is removed else "a file that comes before"
    with pytest.raises(BadRequest, match=blamed):
        resume(work)


def test_an_added_unit_is_scanned(work):
    write_extxyz(work / "cells" / "99.extxyz", pool(2))
    assert resume(work) == [3]


def test_parts_of_earlier_versions_go_by_times(work, tmp_path):
    for index, unit in enumerate(units([str(work / "cells")], tmp_path)):
        part = part_path(work / "out", index)
        write_part(work / "out", index, {b"unit_sha256": _digest_with_times(unit)}, pq.read_table(part))
    resume(work)
    touch(work / "cells" / "06.vasp")
    with pytest.raises(BadRequest, match=r"cells/06\.vasp has been written again .* an earlier version"):
        resume(work)
    removed(work / "cells")
    with pytest.raises(BadRequest, match=r"cells/06\.vasp has disappeared"):
        resume(work)


def test_structure_files_that_a_table_names_count(tmp_path):
    cells = poscars(tmp_path / "cells", 3)
    table = tmp_path / "cells.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows(
            [["id", "file"], *([path.stem, f"cells/{path.name}"] for path in sorted(cells.iterdir()))]
        )
    assert scan(table, tmp_path / "out") == [0]
    touch(cells / "01.vasp")
    touch(table)
    assert scan(table, tmp_path / "out") == []
    changed_text = (cells / "02.vasp").read_text()
    (cells / "01.vasp").write_text(changed_text)
    with pytest.raises(BadRequest, match=r"cells/01\.vasp has changed"):
        scan(table, tmp_path / "out")
    (cells / "01.vasp").unlink()
    with pytest.raises(BadRequest, match=r"cells/01\.vasp has disappeared"):
        scan(table, tmp_path / "out")
    table.write_text(table.read_text().replace("00,", "zero,"))
    with pytest.raises(BadRequest, match=r"cells\.csv has changed"):
        scan(table, tmp_path / "out")


def write_parquet(path: Path, crystals) -> Path:
    import pyarrow.json

    lines = write_jsonl(path.with_suffix(".lines"), crystals)
    pq.write_table(pyarrow.json.read_json(lines), path)
    lines.unlink()
    return path


def write_db(path: Path, crystals) -> Path:
    with ase.db.connect(path) as db:
        for crystal in crystals:
            db.write(as_atoms(crystal))
    return path


@pytest.mark.parametrize(
    ("name", "write"),
    [("a.parquet", write_parquet), ("a.jsonl", write_jsonl), ("a.extxyz", write_extxyz), ("a.db", write_db)],
)
def test_streams_go_by_content(tmp_path, name, write):
    first, second = write(tmp_path / name, pool(6)), write(tmp_path / f"b{first_suffix(name)}", pool(3))
    pattern, out = str(tmp_path / f"[ab]{first_suffix(name)}"), tmp_path / "out"
    assert scan(pattern, out) == [0, 1, 2]
    touch(first)
    assert scan(pattern, out) == []
    kept = second.read_bytes()
    second.unlink()
    with pytest.raises(BadRequest, match=f"{second} has disappeared"):
        scan(pattern, out)
    second.write_bytes(kept)
    kept = first.read_bytes()
    first.unlink()
    with pytest.raises(BadRequest, match=f"{first} has disappeared"):
        scan(pattern, out)
    write(first, pool(7)[1:])
    with pytest.raises(BadRequest, match=f"{first} has changed"):
        scan(pattern, out)
    first.write_bytes(kept)
    assert scan(pattern, out) == []


def first_suffix(name: str) -> str:
    return Path(name).suffix
