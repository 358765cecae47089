from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

import ase.db
import pytest

from kappatune import KappaModel
from kappatune.errors import BadSource
from kappatune.screening import BadRequest, ScanResult, rank, report, screen
from kappatune.screening.layout import scan_is_complete
from kappatune.screening.sources import parse, units
from kappatune.screening.unit import Unit
from kappatune.structures import Crystal, read_crystals
from kappatune.structures.table import BadTable
from tests.builders import rocksalt, zincblende
from tests.screening.scans import (
    POISON,
    as_atoms,
    pool,
    processes_of_session,
    rows_of,
    run_screen,
    write_extxyz,
    write_jsonl,
)


@pytest.fixture
def mixed(tmp_path: Path) -> list[str]:
    """Every kind of source, good crystals and bad."""
    folder = tmp_path / "cifs"
    folder.mkdir()
    rocksalt(12, 8, 4.212).to_pymatgen().to(filename=str(folder / "a.cif"))
    (folder / "b.cif").write_text("data_x\n")
    zincblende(14, 14, 5.431).to_pymatgen().to(filename=str(folder / "c.vasp"), fmt="poscar")
    with ase.db.connect(tmp_path / "d.db") as db:
        db.write(as_atoms(pool(1)[0]))
    frames = write_extxyz(tmp_path / "e.extxyz", pool(5))
    frames.write_text(frames.read_text() + "3\ncut short\nNa 0 0 0\n")
    table = write_jsonl(tmp_path / "f.jsonl", pool(3))
    table.write_text(table.read_text() + "{broken\n" + table.read_text())
    return [str(folder), str(tmp_path / "d.db"), str(frames), str(table)]


def test_every_input_has_its_row(mixed, tmp_path):
    result = screen(mixed, tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    assert result == ScanResult(tmp_path / "out", len(rows), sum(r["kappa_w_mk"] is not None for r in rows))
    assert len(rows) == 3 + 1 + 6 + 7
    assert [r["id"] for r in rows[:3]] == ["a", "b", "c"]
    assert [r["id"] for r in rows[4:10]] == [f"e#{k}" for k in range(1, 7)]
    unanswered = [r for r in rows if r["kappa_w_mk"] is None]
    assert len(unanswered) == 3 and all(r["reason"] for r in unanswered)
    manifest = json.loads((tmp_path / "out" / "_manifest.json").read_text())
    assert (manifest["n_rows"], manifest["n_answered"]) == (17, 14)
    assert manifest["model_sha256"] == KappaModel.load("fast").card.weights_sha256


def test_rows_say_what_predict_says_and_carry_their_crystal(tmp_path):
    table = write_jsonl(tmp_path / "t.jsonl", pool(40))
    screen(table, tmp_path / "out")
    predicted = {row.id: row for row in KappaModel.load("fast").predict([table])}
    rows = rows_of(tmp_path / "out")
    assert [row["id"] for row in rows] == [f"c{k}" for k in range(40)]
    for row, crystal in zip(rows, pool(40), strict=True):
        for name in ("kappa_w_mk", "lower_w_mk", "upper_w_mk", "debye_temperature_k", "gruneisen"):
            assert row[name] == pytest.approx(getattr(predicted[row["id"]], name), rel=1e-5)
        assert row["formula"] == crystal.formula and row["numbers"] == crystal.numbers.tolist()
        assert row["anonymous_formula"] == "AB" and row["n_atoms"] == 2
        assert len(row["members_w_mk"]) == 2 and min(row["members_w_mk"]) <= row["kappa_w_mk"]
        assert len(row["nearest"]) == 3 and row["nearest"][0]["distance"] <= row["nearest"][1]["distance"]
    assert len({row["structure_hash"] for row in rows}) == 40


def test_a_scan_is_ranked_and_reported(tmp_path):
    table = write_jsonl(tmp_path / "t.jsonl", [*pool(10), *pool(3)])
    scan = screen(table, tmp_path / "out")
    assert scan_is_complete(tmp_path / "out")
    ranked = rank(scan, n=20)
    assert len(ranked) == 10, "the same structure stands once"
    assert [row.kappa_w_mk for row in ranked] == sorted(row.kappa_w_mk for row in ranked)
    crystal = {c.id: c for c in pool(10)}[ranked[0].id]
    assert ranked[0].crystal().formula == crystal.formula
    assert "13" in report(scan).read_text()


def test_a_labelled_twin_is_the_nearest(tmp_path):
    salt = rocksalt(11, 17, 5.64, "mine")
    screen(write_jsonl(tmp_path / "t.jsonl", [salt]), tmp_path / "out")
    (nearest, *_) = rows_of(tmp_path / "out")[0]["nearest"]
    assert nearest["id"] == "NaCl" and nearest["distance"] < 1e-3 and nearest["kappa_w_mk"] == 6.05
    assert nearest["fidelity"] == "experiment"


def test_the_nearest_come_from_a_table_of_ones_own(tmp_path):
    mgo, nacl = rocksalt(12, 8, 4.212, "mine"), rocksalt(11, 17, 5.64, "salt")
    labels = write_jsonl(tmp_path / "labels.jsonl", [mgo, nacl])
    rows = [json.loads(line) | {"kappa": kappa} for line, kappa in zip(labels.open(), (50.0, 6.5), strict=True)]
    labels.write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = write_jsonl(tmp_path / "t.jsonl", [mgo])
    screen(table, tmp_path / "out", labels=labels)
    near, far = rows_of(tmp_path / "out")[0]["nearest"]
    assert (near["id"], near["kappa_w_mk"], near["fidelity"]) == ("mine", 50.0, "experiment")
    assert near["distance"] < 1e-3 < far["distance"] and far["id"] == "salt"
    labels.write_text("".join(json.dumps(row | {"kappa": 1.0}) + "\n" for row in rows))
    with pytest.raises(BadRequest, match="other labels"):
        screen(table, tmp_path / "out", labels=labels, resume=True)


def test_labels_that_cannot_be_used_are_refused_before_the_scan(tmp_path):
    table = write_jsonl(tmp_path / "t.jsonl", pool(1))
    with pytest.raises(BadTable, match=r"nowhere\.csv"):
        screen(table, tmp_path / "out", labels=tmp_path / "nowhere.csv")
    labels = tmp_path / "labels.jsonl"
    labels.write_text(json.dumps({"id": "lost", "kappa": 3.0}) + "\n")
    with pytest.raises(BadRequest, match="no usable labelled crystal: lost"):
        screen(table, tmp_path / "out", labels=labels)
    assert not (tmp_path / "out").exists()


def test_workers_change_nothing(tmp_path, monkeypatch):
    table = write_jsonl(tmp_path / "t.jsonl", pool(600))
    for workers in (1, 2):
        screen(table, tmp_path / str(workers), workers=workers)
    assert rows_of(tmp_path / "1") == rows_of(tmp_path / "2")


def test_folders_in_use_and_changed_sources_are_refused(tmp_path):
    table = write_jsonl(tmp_path / "t.jsonl", pool(3))
    screen(table, tmp_path / "out", resume=True)
    with pytest.raises(BadRequest, match="holds a scan"):
        screen(table, tmp_path / "out")
    with pytest.raises(BadRequest, match="other sources"):
        screen(table, tmp_path / "out", fidelity="agl", resume=True)
    write_jsonl(table, pool(4))
    with pytest.raises(BadRequest, match="changed since this scan began"):
        screen(table, tmp_path / "out", resume=True)
    with pytest.raises(BadRequest, match="not empty"):
        screen(table, tmp_path)
    with pytest.raises(BadSource, match="no such file"):
        screen(tmp_path / "nowhere", tmp_path / "other")


def test_units_are_what_the_files_hold(mixed, tmp_path):
    entries = [entry for unit in units(mixed, tmp_path) for entry in parse(unit)]
    assert sum(isinstance(e, Crystal) for e in entries) == 14
    direct = list(read_crystals([mixed[0], mixed[2], mixed[3]]))
    assert {(e.id, e.file) for e in direct} <= {(e.id, e.file) for e in entries}
    digests = [unit.digest() for unit in units(mixed, tmp_path)]
    assert digests == [unit.digest() for unit in units(mixed, tmp_path)] and len(set(digests)) == len(digests)
    assert Unit("rows", "f", 1, [{"a": 1}]).digest() != Unit("rows", "f", 1, [{"a": 2}]).digest()


FULL_DISK = """
import errno, os, pyarrow.parquet as pq
write, budget = pq.write_table, [3]
def full(*a, **k):
    budget[0] -= 1
    if budget[0] < 0:
        raise OSError(errno.ENOSPC, "No space left on device")
    return write(*a, **k)
pq.write_table = full
"""


@pytest.mark.slow
def test_killed_twenty_times_it_ends_like_an_uninterrupted_scan(tmp_path):
    table = write_jsonl(tmp_path / "t.jsonl", pool(800))
    assert run_screen(tmp_path, table, "--out", tmp_path / "whole", "--workers", 1)[0] == 0

    def n_parts() -> int:
        return len(list((tmp_path / "killed").glob("part-*.parquet")))

    draw = random.Random(0)
    for _ in range(20):
        process = run_screen(tmp_path, table, "--out", tmp_path / "killed", "--workers", 1, "--resume", wait=False)
        enough = n_parts() + draw.randint(1, 3)
        while n_parts() < enough:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(draw.uniform(0.001, 0.01))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert 20 <= n_parts() < 80
    code, stderr = run_screen(tmp_path, table, "--out", tmp_path / "killed", "--resume")
    assert code == 0, stderr
    whole, killed = rows_of(tmp_path / "whole"), rows_of(tmp_path / "killed")
    assert killed == whole and len({row["id"] for row in killed}) == 800
    assert not list((tmp_path / "killed").glob(".part-*"))


@pytest.mark.slow
def test_no_worker_outlives_a_killed_scan(tmp_path):
    table = write_jsonl(tmp_path / "t.jsonl", pool(2000))
    process = run_screen(tmp_path, table, "--out", tmp_path / "out", "--workers", 2, wait=False)
    started = time.monotonic()
    while not list((tmp_path / "out").glob("part-*")) and time.monotonic() - started < 60:
        time.sleep(0.05)
    assert len(processes_of_session(process.pid)) > 2
    process.kill()
    process.communicate()
    started = time.monotonic()
    while processes_of_session(process.pid) and time.monotonic() - started < 20:
        time.sleep(0.1)
    assert not processes_of_session(process.pid)


@pytest.mark.slow
def test_a_poisoned_file_costs_one_row(tmp_path):
    folder = tmp_path / "cifs"
    folder.mkdir()
    for k, crystal in enumerate(pool(20)):
        crystal.to_pymatgen().to(filename=str(folder / ("poison.cif" if k == 7 else f"c{k:02d}.cif")))
    code, stderr = run_screen(tmp_path, folder, "--out", tmp_path / "out", patch=POISON)
    assert code == 0, stderr
    rows = {row["id"]: row for row in rows_of(tmp_path / "out")}
    assert len(rows) == 20
    assert "crashed the worker process" in rows["poison"]["reason"]
    assert sum(row["kappa_w_mk"] is not None for row in rows.values()) == 19


@pytest.mark.slow
def test_a_full_disk_stops_with_a_sentence_and_resumes(tmp_path):
    table = write_jsonl(tmp_path / "t.jsonl", pool(200))
    code, stderr = run_screen(tmp_path, table, "--out", tmp_path / "out", "--workers", 1, patch=FULL_DISK)
    assert code == 1 and "disk is full" in stderr and "Traceback" not in stderr
    assert len(list((tmp_path / "out").glob("part-*.parquet"))) == 3
    assert not (tmp_path / "out" / "_manifest.json").exists()
    assert run_screen(tmp_path, table, "--out", tmp_path / "out", "--resume")[0] == 0
    assert len(rows_of(tmp_path / "out")) == 200
