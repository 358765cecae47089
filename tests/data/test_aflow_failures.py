"""AFLOW by AFLUX: failures, breaks and full disks lose nothing, and the command says what happened."""

from __future__ import annotations

import errno
import socket

import pytest

from kappatune.data import aflow, fetching, table_writer
from kappatune.data.aflow import fetch_aflow
from kappatune.data.table_writer import BadTarget, pages_of
from kappatune.errors import BadSource
from kappatune.structures import read_table
from tests.data.aflux import run
from tests.providers import answer, cut_short, hang_up

pytestmark = pytest.mark.usefixtures("small_pages", "between")

PASSING = {
    "hang up": (hang_up, "the connection failed"),
    "cut short": (cut_short, "the connection failed"),
    "503": (lambda h: answer(h, 503), r"answered 503 \(Service Unavailable\)"),
    "502 in HTML": (lambda h: answer(h, 502, b"<html>"), r"answered 502 \(Bad Gateway\)"),
    "429": (lambda h: answer(h, 429, Retry_After="7"), "answered 429"),
    "HTML": (lambda h: b"<html><body>maintenance", "not AFLUX's JSON .it begins '<html><body>maintenance'"),
    "text": (lambda h: b"DB Fail!null", "it begins 'DB Fail!null'"),
    "half a JSON": (lambda h: b'{"1 of 2": {', "not AFLUX's JSON"),
    "another object": (lambda h: b'{"error": "busy"}', "not AFLUX's JSON"),
    "two totals": (lambda h: b'{"1 of 2": {}, "2 of 3": {}}', "not AFLUX's JSON"),
    "the help": (lambda h: b'["Welcome to Aflux"]', "not AFLUX's JSON"),
    "a number": (lambda h: b"7", "not AFLUX's JSON"),
}


@pytest.mark.parametrize(("fails", "says"), PASSING.values(), ids=PASSING)
def test_a_failure_stops_the_walk_and_loses_nothing(aflux, fails, says, tmp_path, pauses):
    out = tmp_path / "a.parquet"
    aflux.fault = lambda page, handler: fails(handler) if page == 3 else None
    with pytest.raises(
        BadSource, match=f"aflux/, page 3: .*{says}.*; 2 pages are stored, and the same command continues"
    ):
        fetch_aflow(out, aflux.url)
    assert aflux.seen[3] == 1 + len(fetching.RETRY_DELAYS_S)
    assert pauses == [max(p, 7.0) if "429" in says else p for p in fetching.RETRY_DELAYS_S]
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet.pages"], "nothing unfinished stays"
    aflux.fault = lambda page, handler: None
    aflux.seen.clear()
    assert fetch_aflow(out, aflux.url).rows == 35 and aflux.seen == {3: 1, 4: 1}
    assert fetch_aflow(out, aflux.url).rows == 35 and aflux.seen == {3: 1, 4: 1}, "all pages are on disk now"


def test_a_failure_that_passes_costs_a_pause(aflux, tmp_path, pauses):
    faults = iter([{"status": 503}, {"status": 429, "Retry_After": "99999"}, {"status": 429, "Retry_After": "30"}])
    aflux.fault = lambda page, handler: answer(handler, **f) if (f := next(faults, None)) else None
    assert fetch_aflow(tmp_path / "a.parquet", aflux.url).rows == 35
    assert pauses == [fetching.RETRY_DELAYS_S[0], fetching.MAX_RETRY_DELAY_S, 30.0]


def test_a_refusal_is_final(aflux, tmp_path, pauses):
    aflux.fault = lambda page, handler: answer(handler, 404)
    with pytest.raises(BadSource, match=r"page 1: the provider answered 404 \(Not Found\)"):
        fetch_aflow(tmp_path / "a.parquet", aflux.url)
    with pytest.raises(BadSource, match="with --query"):
        fetch_aflow(tmp_path / "a.parquet", f"{aflux.url}?species(Si)")
    assert not pauses and aflux.seen == {1: 1}


def test_a_break_by_the_user_keeps_the_pages(aflux, tmp_path, monkeypatch):
    made = aflow.entry_of
    monkeypatch.setattr(aflow, "entry_of", lambda item, where: made(item, where) if "page 3" not in where else stop())

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_aflow(tmp_path / "a.parquet", aflux.url)
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet.pages"]
    monkeypatch.setattr(aflow, "entry_of", made)
    assert fetch_aflow(tmp_path / "a.parquet", aflux.url).rows == 35
    assert aflux.seen == {1: 1, 2: 1, 3: 1, 4: 1}


def test_rows_are_written_as_they_come(aflux, tmp_path, monkeypatch):
    monkeypatch.setattr(table_writer, "_BATCH", 8)
    told: list[int] = []
    fetch_aflow(tmp_path / "a.parquet", aflux.url, on_progress=lambda event: told.append(event.done))
    assert told == [8, 16, 24, 32, 35]
    assert [row.kappa for row in read_table(tmp_path / "a.parquet").rows] == [1.0 + k for k in range(35)]


# The target


def test_what_is_there_is_not_overwritten_by_something_else(aflux, tmp_path):
    out = tmp_path / "a.parquet"
    fetch_aflow(out, aflux.url, "species(Na)")
    before = out.read_bytes()
    with pytest.raises(BadTarget, match=r"a\.parquet holds something else than this request would write"):
        fetch_aflow(out, aflux.url)
    (tmp_path / "mine.parquet").write_bytes(b"mine")
    with pytest.raises(BadTarget, match="holds something else"):
        fetch_aflow(tmp_path / "mine.parquet", aflux.url)
    with pytest.raises(BadTarget, match="is a folder"):
        fetch_aflow(pages_of(out).rename(tmp_path / "folder.parquet"), aflux.url)
    with pytest.raises(BadTarget, match=r"table.csv: a fetched table is a \.parquet file"):
        fetch_aflow(tmp_path / "table.csv", aflux.url)
    assert out.read_bytes() == before and (tmp_path / "mine.parquet").read_bytes() == b"mine"


def test_pages_of_another_query_are_not_taken_for_its_own(aflux, tmp_path):
    out = tmp_path / "a.parquet"
    fetch_aflow(out, aflux.url)
    out.unlink()
    aflux.seen.clear()
    assert fetch_aflow(out, aflux.url, "species(Na)").rows == 35 and aflux.seen[1] == 1
    assert len(list(pages_of(out).iterdir())) == 8


# The command


def test_the_command_says_what_it_made(aflux, tmp_path, monkeypatch, capfd):
    aflux.items[3], aflux.items[6] = aflux.items[2], {}
    out = tmp_path / "a.parquet"
    code, answered, told = run(monkeypatch, capfd, "aflow", "--url", aflux.url, "--query", "nspecies(2)", "--out", out)
    assert code == 0 and answered == f"{out}\n" and "nspecies(2)" in aflux.summons[0]
    assert told == (
        "repeated entries, left out: 1\n"
        f"entries that are not usable crystals: 1; {out}.rejects.jsonl gives the reasons\n"
        f"crystals: 33; to fetch them again, delete {out}.pages\n"
    )
    code, answered, told = run(monkeypatch, capfd, "aflow", "--url", aflux.url, "--out", out)
    assert code == 1 and not answered and told.startswith(f"kappatune: {out} holds something else")


def test_the_command_names_a_server_that_is_not_there(tmp_path, monkeypatch, capfd, pauses):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    code, answered, told = run(monkeypatch, capfd, "aflow", "--url", url, "--out", tmp_path / "a.parquet")
    assert code == 1 and not answered and "Traceback" not in told
    assert f"kappatune: {url}, page 1: the connection failed (Connection refused); 0 pages are stored" in told


def test_the_command_says_that_the_disk_is_full(aflux, tmp_path, monkeypatch, capfd):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(table_writer.pq.ParquetWriter, "write_batch", full)
    code, _, told = run(monkeypatch, capfd, "aflow", "--url", aflux.url, "--out", tmp_path / "a.parquet")
    assert code == 1 and "the disk is full" in told and "Traceback" not in told
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet.pages"]


def test_the_command_is_there():
    from typer.testing import CliRunner

    from kappatune.cli import app

    shown = CliRunner().invoke(app, ["data", "fetch", "--help"]).output
    assert "aflow" in shown and "mp" in shown
    assert CliRunner().invoke(app, ["data", "fetch", "aflow", "--nonsense"]).exit_code == 2
