from __future__ import annotations

import gzip
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyarrow.dataset as ds
import pytest
import requests

from kappatune.cli import main
from kappatune.data import fetching, optimade
from kappatune.errors import BadSource
from kappatune.screening import BadRequest, screen
from kappatune.screening.layout import FETCHED
from kappatune.screening.sources import parse, units
from kappatune.screening.unit import Unit
from kappatune.screening.worker import rejection_of_crashing_item
from kappatune.structures import Crystal, Rejection
from kappatune.structures.crystal import element_symbol
from kappatune.structures.optimade import FIELDS
from tests.builders import rocksalt, zincblende
from tests.providers import answer, cut_short, entry_of, hang_up

CATIONS, ANIONS = (3, 11, 12, 19, 20, 37, 38, 56), (8, 16, 34, 52)
KINDS = [(a, b) for a in CATIONS for b in ANIONS]


def crystals(n: int = 32) -> list[Crystal]:
    build = (rocksalt, zincblende)
    return [build[k % 2](*KINDS[k], 5.0 + 0.05 * k, f"db/{k}") for k in range(n)]


def rows_of(folder: Path) -> list[dict]:
    return ds.dataset(folder, format="parquet").to_table().to_pylist()


def fetched_crystals(source: str, folder: Path, filter: str | None = None) -> list[Crystal | Rejection]:
    return [entry for unit in units([source], folder, filter) for entry in parse(unit)]


# A provider that runs the reference implementation


@pytest.fixture(scope="module")
def provider(tmp_path_factory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("optimade")
    lines = [{"x-optimade": {"meta": {"api_version": "1.2.0"}}}, *map(entry_of, crystals())]
    (folder / "data.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    config = {"insert_from_jsonl": str(folder / "data.jsonl"), "insert_test_data": False, "log_dir": str(folder)}
    (folder / "config.json").write_text(json.dumps(config))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "optimade.server.main:app", "--port", str(port)],
            env={**os.environ, "OPTIMADE_CONFIG_FILE": str(folder / "config.json"), "PYTHONPATH": ""},
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                requests.get(f"{url}/v1/info", timeout=5).raise_for_status()
                break
            except requests.RequestException:
                assert server.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait()


@pytest.mark.slow
def test_a_provider_is_scanned_like_a_local_file(provider, tmp_path):
    table = tmp_path / "t.jsonl"
    with table.open("w") as out:
        for c in crystals():
            symbols = [element_symbol(z) for z in c.numbers.tolist()]
            row = {"id": c.id, "lattice": c.lattice.tolist(), "species": symbols, "frac_coords": c.frac_coords.tolist()}
            out.write(json.dumps(row) + "\n")
    url = f"{provider}/v1/structures?page_limit=7"
    screen([url, table], tmp_path / "out")
    assert len(list((tmp_path / "out").glob("part-*.parquet"))) == 5 + 1
    assert len(list((tmp_path / "out" / FETCHED).iterdir())) == 5
    rows = rows_of(tmp_path / "out")
    far = {row["id"]: row for row in rows if row["file"] != str(table)}
    near = {row["id"]: row for row in rows if row["file"] == str(table)}
    assert far.keys() == near.keys() and len(far) == 32 and len(rows) == 64
    for id, row in far.items():
        assert row["kappa_w_mk"] == pytest.approx(near[id]["kappa_w_mk"], rel=1e-6)
        assert row["formula"] == near[id]["formula"] and row["in_domain"] == near[id]["in_domain"]
    assert requests.get(far["db/3"]["file"], timeout=5).json()["data"]["id"] == "db/3", "`file` opens the entry"


def test_filters_choose_and_bad_ones_are_refused_in_the_provider_s_words(provider, tmp_path, pauses):
    kept = fetched_crystals(provider, tmp_path, 'elements HAS "Te" AND elements HAS ANY "Mg","Ca"')
    assert sorted(entry.formula for entry in kept) == ["CaTe", "MgTe"]
    both = fetched_crystals(f'{provider}/v1?filter=elements HAS "Te"', tmp_path, 'elements HAS "Mg" OR nsites=2')
    assert len(both) == len(CATIONS), "a filter in the URL and one beside it both hold"
    with pytest.raises(BadSource, match=r"page 1: the provider answered 400 \(.*parse"):
        fetched_crystals(provider, tmp_path, "elements HAS")
    with pytest.raises(BadSource, match="no such structure"):
        fetched_crystals(provider, tmp_path, 'elements HAS "U"')
    with pytest.raises(BadSource, match="answered 404"):
        fetched_crystals(f"{provider}/nowhere", tmp_path)
    assert not pauses, "what cannot change is not asked again"


# A provider that fails as told


class Flawed:
    """Pages of ten entries; `fault` may spoil an answer, told the number of the page."""

    def __init__(self, n_pages: int) -> None:
        self.entries = [entry_of(rocksalt(12, 8, 4.0 + 0.01 * k, f"e{k}")) for k in range(10 * n_pages)]
        self.n_pages = n_pages
        self.seen: Counter[int] = Counter()
        self.fault: Callable[[int, BaseHTTPRequestHandler], bytes | None] = lambda page, handler: None
        self.next: Callable[[int], object] = lambda page: f"?page_number={page + 1}"
        self.agents: set[str] = set()
        self.queries: list[dict] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.agents.add(self.headers["User-Agent"])
                outer.queries.append(parse_qs(urlsplit(self.path).query))
                page = int(outer.queries[-1].get("page_number", ["0"])[0])
                outer.seen[page] += 1
                if (body := outer.fault(page, self)) is None:
                    answer(self, 200, body=json.dumps(outer.page(page)).encode())
                elif body:
                    answer(self, 200, body=body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/optimade"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def page(self, page: int) -> dict:
        links = {"next": self.next(page)} if page + 1 < self.n_pages else {}
        return {"data": self.entries[10 * page : 10 * page + 10], "links": links, "meta": {}}


@pytest.fixture
def flawed() -> Iterator[Flawed]:
    made = Flawed(5)
    yield made
    made.server.shutdown()
    made.server.server_close()


def dawdle(handler: BaseHTTPRequestHandler) -> bytes:
    threading.Event().wait(0.5)
    return b"{}"


ERRORS = json.dumps({"errors": [{"detail": "the database\nsleeps"}]}).encode()
PASSING = {
    "hang up": (hang_up, "the connection failed"),
    "cut short": (cut_short, "the connection failed"),
    "timeout": (dawdle, "no response in time"),
    "503": (lambda h: answer(h, 503, ERRORS), r"answered 503 \(the database sleeps\)"),
    "502 in HTML": (lambda h: answer(h, 502, b"<html>"), r"answered 502 \(Bad Gateway\)"),
    "429": (lambda h: answer(h, 429, Retry_After="7"), "answered 429"),
    "no JSON": (lambda h: b"<html>", "not OPTIMADE's JSON"),
    "half a JSON": (lambda h: b'{"data": [', "not OPTIMADE's JSON"),
    "deep JSON": (lambda h: b"[" * 200_000, "not OPTIMADE's JSON"),
    "no list": (lambda h: b'{"data": {}}', "not OPTIMADE's JSON"),
    "error document": (lambda h: ERRORS, r"reports an error \(the database sleeps\)"),
}


@pytest.mark.parametrize(("fails", "says"), PASSING.values(), ids=PASSING)
def test_a_provider_that_fails_stops_the_walk_and_loses_nothing(flawed, fails, says, tmp_path, pauses, monkeypatch):
    monkeypatch.setattr(fetching, "READ_TIMEOUT_S", 0.2)
    flawed.fault = lambda page, handler: fails(handler) if page == 3 else None
    walked = []
    with pytest.raises(BadSource, match=f"optimade, page 4: .*{says}.*; 3 pages are stored, and --resume"):
        walked.extend(unit.digest() for unit in units([flawed.url], tmp_path))
    assert len(walked) == 3 and flawed.seen[3] == 1 + len(fetching.RETRY_DELAYS_S)
    assert pauses == [max(p, 7.0) if "429" in says else p for p in fetching.RETRY_DELAYS_S]
    flawed.fault = lambda page, handler: None
    flawed.seen.clear()
    resumed = list(units([flawed.url], tmp_path))
    assert [unit.digest() for unit in resumed[:3]] == walked
    assert [item["id"] for unit in resumed for item in unit.items] == [f"e{k}" for k in range(50)]
    assert flawed.seen == {3: 1, 4: 1}
    assert [u.digest() for u in units([flawed.url], tmp_path)] == [u.digest() for u in resumed]
    assert flawed.seen == {3: 1, 4: 1}, "all pages are on disk now"


def test_a_passing_failure_costs_a_pause(flawed, tmp_path, pauses):
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    faults = iter([{"Retry_After": in_a_minute}, {"Retry_After": "99999"}, {"Retry_After": "soon"}])
    flawed.fault = lambda page, handler: answer(handler, 429, **f) if (f := next(faults, None)) else None
    assert len(fetched_crystals(flawed.url, tmp_path)) == 50
    assert pauses == [pytest.approx(60, abs=3), fetching.MAX_RETRY_DELAY_S, fetching.RETRY_DELAYS_S[2]]


def test_a_provider_that_is_not_there_is_named(tmp_path, pauses):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(BadSource, match=f"{url}, page 1: the connection failed .Connection refused"):
        list(units([url], tmp_path))
    for wrong in ("http://", "https://[::1", "http://exa mple/"):
        with pytest.raises(BadSource, match=re.escape(wrong)):
            list(units([wrong], tmp_path))


@pytest.mark.parametrize(
    "link",
    [
        lambda page: f"?page_number={page + 1}",
        lambda page: {"href": f"/optimade/v1/structures?page_number={page + 1}"},
        lambda page: {"href": f"../v1/structures?page_number={page + 1}", "meta": {}},
    ],
)
def test_every_form_of_next_link_is_followed(flawed, link, tmp_path):
    flawed.next = link
    assert len(fetched_crystals(flawed.url, tmp_path)) == 50
    assert flawed.queries[0] == {"response_fields": [",".join(FIELDS)], "page_limit": [str(optimade.PAGE_LIMIT)]}
    assert all(agent.startswith("kappatune/") for agent in flawed.agents)


@pytest.mark.parametrize("end", [None, {}, {"href": None}, ""])
def test_every_form_of_end_ends(flawed, end, tmp_path):
    flawed.next = lambda page: end
    assert len(fetched_crystals(flawed.url, tmp_path)) == 10


@pytest.mark.parametrize("link", [7, ["x"], "http://[", "ftp://elsewhere/", "file:///etc/passwd"])
def test_a_next_link_that_is_none_is_an_error(flawed, link, tmp_path, pauses):
    flawed.next = lambda page: link
    with pytest.raises(BadSource, match=r"page [12]: "):
        list(units([flawed.url], tmp_path))
    assert not pauses


def test_walking_in_circles_is_noticed(flawed, tmp_path):
    flawed.next = lambda page: f"?page_number={page - 1 if page == 2 else page + 1}"
    with pytest.raises(BadSource, match=r"page 3: the provider sent a page that it had sent before"):
        list(units([flawed.url], tmp_path))
    flawed.next = lambda page: f"?page_number={page + 1}"
    flawed.page = lambda page: {"data": flawed.entries[:10], "links": {"next": flawed.next(page)}}
    with pytest.raises(BadSource, match=r"page 2: the provider sent a page that it had sent before"):
        list(units([flawed.url], tmp_path / "same page under ever new links"))
    flawed.page = lambda page: {"data": [], "links": {"next": flawed.next(page)}}
    with pytest.raises(BadSource, match="a page that it had sent before"):
        list(units([flawed.url], tmp_path / "empty pages without end"))


def test_an_empty_page_between_others_is_passed_over(flawed, tmp_path):
    whole = flawed.page
    flawed.page = lambda page: whole(page) | ({"data": []} if page == 2 else {})
    found = fetched_crystals(flawed.url, tmp_path)
    assert [entry.id for entry in found] == [f"e{k}" for k in range(50) if not 20 <= k < 30]


def test_a_damaged_page_on_disk_is_named_and_can_be_fetched_again(flawed, tmp_path):
    whole = [unit.digest() for unit in units([flawed.url], tmp_path)]
    pages = sorted(tmp_path.iterdir())
    assert len(pages) == 5 and all(b'"data"' in gzip.decompress(page.read_bytes()) for page in pages)
    for damage in (b"", b"no gzip", pages[0].read_bytes()[:-20], gzip.compress(b"{")):
        pages[0].write_bytes(damage)
        with pytest.raises(BadSource, match=f"{pages[0].name} is damaged"):
            list(units([flawed.url], tmp_path))
    pages[0].unlink()
    flawed.seen.clear()
    assert [unit.digest() for unit in units([flawed.url], tmp_path)] == whole and flawed.seen.total() == 1


@pytest.mark.slow
def test_a_scan_broken_off_by_its_provider_resumes_to_the_same_rows(flawed, tmp_path, pauses):
    flawed.entries[4]["attributes"]["species"][0]["chemical_symbols"] = ["Mg", "Zn"]
    flawed.entries[7] = None
    for _ in range(300):
        flawed.entries[17] = [flawed.entries[17]]
    flawed.entries[8]["id"] = "\ud800"
    filter = 'elements HAS "Mg"'
    screen(flawed.url, tmp_path / "whole", filter=filter)
    flawed.fault = lambda page, handler: answer(handler, 500) if page == 3 else None
    with pytest.raises(BadSource, match="page 4"):
        screen(flawed.url, tmp_path / "broken", filter=filter)
    assert not (tmp_path / "broken" / "_manifest.json").exists()
    flawed.fault = lambda page, handler: None
    flawed.seen.clear()
    flawed.entries[0]["attributes"]["lattice_vectors"] = None
    for other in (None, "nsites=2"):
        with pytest.raises(BadRequest, match="filter"):
            screen(flawed.url, tmp_path / "broken", filter=other, resume=True)
    result = screen(flawed.url, tmp_path / "broken", filter=filter, resume=True)
    assert flawed.seen == {3: 1, 4: 1} and (result.n_rows, result.n_answered) == (50, 47)
    assert rows_of(tmp_path / "broken") == rows_of(tmp_path / "whole")
    rows = rows_of(tmp_path / "broken")
    assert (
        "Mg" in rows[4]["reason"]
        and rows[7]["id"] == "127.0.0.1#8"
        and rows[17]["reason"]
        and rows[8]["id"] == "\\ud800"
    )
    assert rows[0]["file"] == f"{flawed.url}/v1/structures/e0"


def test_an_entry_that_kills_its_worker_keeps_its_id():
    entry = entry_of(rocksalt(12, 8, 4.212, "MgO"))
    for unit in (Unit("optimade", "https://host/v1/structures", 5, [entry]), Unit("optimade", "u", 5, [None])):
        killed = rejection_of_crashing_item(unit)
        assert killed.file == unit.file and killed.id == ("MgO" if unit.items[0] else "u#5")


def test_a_filter_needs_a_url(tmp_path):
    with pytest.raises(BadRequest, match="no source is a URL"):
        screen(tmp_path, tmp_path / "out", filter="nsites=2")


def test_the_command_says_what_the_provider_says(flawed, tmp_path, capfd, monkeypatch):
    flawed.fault = lambda page, handler: answer(handler, 400, ERRORS)
    arguments = ["screen", flawed.url, "--filter", 'elements HAS "Te"', "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["kappatune", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    out, err = capfd.readouterr()
    assert left.value.code == 1 and not out and "Traceback" not in err
    assert err.strip() == f"kappatune: {flawed.url}, page 1: the provider answered 400 (the database sleeps)"
    assert flawed.queries[0]["filter"] == ['elements HAS "Te"']


# Entries of every kind
