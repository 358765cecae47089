from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kappatune.screening import BadScan, report
from kappatune.screening.reporting.queries import N_EXTREMES, N_REASONS, N_SAMPLE, overview_of

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("formula", pa.string()),
        ("n_atoms", pa.int32()),
        ("elements", pa.list_(pa.string())),
        ("mean_mass_u", pa.float64()),
        ("kappa_w_mk", pa.float64()),
        ("lower_w_mk", pa.float64()),
        ("upper_w_mk", pa.float64()),
        ("in_domain", pa.bool_()),
        ("reason", pa.string()),
        ("known_rungs", pa.list_(pa.string())),
        ("structure_hash", pa.string()),
    ]
)


def answered(name: str, kappa: float, elements: tuple[str, ...] = ("Mg", "O"), **more: object) -> dict[str, object]:
    row = {
        "id": name,
        "formula": "".join(elements),
        "n_atoms": 2 * len(elements),
        "elements": sorted(elements),
        "mean_mass_u": 20.0,
        "kappa_w_mk": kappa,
        "lower_w_mk": kappa / 1.2,
        "upper_w_mk": kappa * 1.2,
        "in_domain": True,
        "known_rungs": [],
        "structure_hash": f"hash of {name}",
    }
    return row | more


def refused(name: str, reason: str | None) -> dict[str, object]:
    return {"id": name, "reason": reason, "known_rungs": []}


def write_scan(folder: Path, rows: list[dict[str, object]], complete: bool = True, n_parts: int = 2) -> Path:
    folder.mkdir(parents=True)
    for k in range(n_parts):
        pq.write_table(pa.Table.from_pylist(rows[k::n_parts], schema=SCHEMA), folder / f"part-{k:06d}.parquet")
    about = {"model": "ladder-5", "model_sha256": "abc123", "created": "2026-01-02T03:04:05+00:00"}
    (folder / "_scan.json").write_text(json.dumps({"model": "ladder-5"}))
    if complete:
        manifest = about | {"n_rows": len(rows), "versions": {"kappatune": "0.1.0"}, "command": "kappatune screen x"}
        (folder / "_manifest.json").write_text(json.dumps(manifest))
    return folder


class Tags(HTMLParser):
    """Names and attributes of all elements; checks that they are nested well."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_counts(tmp_path):
    rows = [
        answered("a", 0.5),
        answered("b", 5.0),
        answered("c", 0.7, in_domain=False, reason="no training crystal contains Xe"),
        answered("d", float("nan")),
        refused("e", "the crystal has no atoms: check that the file is complete"),
        refused("f", None),
    ]
    overview = overview_of(write_scan(tmp_path / "scan", rows))
    assert (overview.n_rows, overview.n_answered, overview.n_in_domain, overview.n_low) == (6, 3, 2, 1)
    assert sum(b.in_domain for b in overview.bins) == 2
    assert sum(b.other for b in overview.bins) == 1
    assert sum(cell.n for cell in overview.by_mass) == sum(cell.n for cell in overview.by_n_atoms) == 3
    assert {entry.reason: entry.n for entry in overview.unanswered} == {
        "no reason given": 2,
        "the crystal has no atoms: check that the file is complete": 1,
    }
    assert [entry.reason for entry in overview.out_of_domain] == ["no training crystal contains …"]


def test_reasons_that_differ_in_detail_are_one_group(tmp_path):
    rows = [
        refused("a", "site 1 (Fe) and site 2 (O) are 0.31 Å apart: remove the duplicate"),
        refused("b", "site 12 (In) and site 3 (I) are 0.02 Å apart: remove the duplicate"),
        refused("c", "the network knows no U, Pu: it was pretrained without this element"),
        refused("d", "the network knows no Xe: it was pretrained without this element"),
        refused("e", "the network knows no Fr: it was pretrained without this element"),
        refused("f", "the cell has 1e-05 Å^3 per atom"),
        refused("g", "the cell has 0.5 Å^3 per atom"),
        refused("h", "line 2 is not one scale factor ('a b')"),
        refused("i", "line 2 is not one scale factor ('7')"),
    ]
    reasons = overview_of(write_scan(tmp_path / "scan", rows)).unanswered
    assert {(entry.reason, entry.n, entry.example) for entry in reasons} == {
        ("the network knows no …: it was pretrained without this element", 3, "c"),
        ("site … (…) and site … (…) are … Å apart: remove the duplicate", 2, "a"),
        ("the cell has … Å^3 per atom", 2, "f"),
        ("line … is not one scale factor ('…')", 2, "h"),
    }


def test_rare_reasons_are_counted_together(tmp_path):
    letters = "abcdefghijklmnopqrstuvwxyz"
    rows = [refused(letter, f"reason {letter}") for letter in letters]
    reasons = overview_of(write_scan(tmp_path / "scan", rows)).unanswered
    assert len(reasons) == N_REASONS + 1
    assert reasons[-1].n == len(letters) - N_REASONS
    assert "other reasons" in report(tmp_path / "scan").read_text()


def test_median_of_each_element(tmp_path):
    rng = np.random.default_rng(0)
    pool = ["Mg", "O", "Pb", "Te", "Si"]
    rows = []
    for k in range(501):
        elements = tuple(rng.choice(pool, 2, replace=False).tolist())
        rows.append(answered(str(k), float(np.exp(rng.normal())), elements, in_domain=bool(k % 2)))
    rows.append(answered("hostile", 1.0, ("<b>", "Cl")))
    overview = overview_of(write_scan(tmp_path / "scan", rows))
    assert set(overview.elements) == {*pool, "Cl"}
    for element in pool:
        of_element = sorted(row["kappa_w_mk"] for row in rows if element in row["elements"])
        median = overview.elements[element]
        assert median.n == len(of_element)
        assert median.in_domain == sum(row["in_domain"] for row in rows if element in row["elements"])
        assert median.kappa == pytest.approx(of_element[(len(of_element) - 1) // 2], rel=0.0025)
    assert overview.elements["Cl"].kappa == 1.0
    html = report(tmp_path / "scan").read_text()
    assert html.count("data-tip=") == 118
    assert html.count('no crystal with an answer" aria') == 112


def test_candidates_name_each_structure_once(tmp_path):
    rows = [answered(f"m{k:04d}", 1.0 + k) for k in range(60)]
    rows += [answered(f"again {k:04d}", 1.0, structure_hash="hash of m0000") for k in range(500)]
    rows += [answered("outside", 0.01, in_domain=False), answered("no hash", 0.5, structure_hash=None)]
    overview = overview_of(write_scan(tmp_path / "scan", rows))
    assert len(overview.lowest) == len(overview.highest) == N_EXTREMES
    assert [c.kappa for c in overview.lowest] == [0.5, *(1.0 + k for k in range(N_EXTREMES - 1))]
    assert [c.id for c in overview.highest[:2]] == ["m0059", "m0058"]


@pytest.mark.parametrize("attack", ["<script>alert(1)</script>", "\"'><img src=x onerror=alert(1)>", "\u202e\x00</p>&"])
def test_what_a_scan_holds_is_text_only(tmp_path, attack):
    rows = [
        answered(attack, 0.3, known_rungs=[attack], formula=attack),
        answered("b", 0.4, in_domain=False, reason=attack),
        refused(attack, attack),
    ]
    folder = write_scan(tmp_path / "scan", rows)
    manifest = {"model": attack, "versions": {attack: attack}, "command": [attack], "n_rows": 3}
    (folder / "_manifest.json").write_text(json.dumps(manifest))
    html = report(folder).read_text()
    assert attack not in html
    tags = Tags(html)
    assert not tags.names & {"script", "img", "link", "a", "iframe", "object"}
    assert not {name for name in tags.attributes if name.startswith("on") or name in {"src", "href"}}


def test_nothing_is_fetched(tmp_path):
    html = report(write_scan(tmp_path / "scan", [answered("a", 1.0)])).read_text()
    assert "://" not in html
    assert "url(" not in html
    assert "@import" not in html
    assert "default-src 'none'" in html


def test_page_says_where_it_comes_from(tmp_path):
    html = report(write_scan(tmp_path / "scan", [answered("a", 1.0), refused("b", "broken")])).read_text()
    for text in ("ladder-5", "abc123", "2026-01-02T03:04:05+00:00", "kappatune 0.1.0", "kappatune screen x"):
        assert text in html
    assert "it should contain 90 % of" in html
    assert "unfinished" not in html
    assert "W/(m\N{NO-BREAK SPACE}K)" in html


def test_unfinished_scan_says_so(tmp_path):
    html = report(write_scan(tmp_path / "scan", [answered("a", 1.0)], complete=False)).read_text()
    assert "This scan is unfinished." in html
    assert "ladder-5" in html


def test_lost_parts_are_noticed(tmp_path):
    folder = write_scan(tmp_path / "scan", [answered("a", 1.0), answered("b", 1.0)])
    (folder / "part-000001.parquet").unlink()
    assert "parts were deleted or added" in report(folder).read_text()


def test_same_scan_same_page(tmp_path):
    rng = np.random.default_rng(0)
    rows = [answered(str(k), float(np.exp(rng.normal()))) for k in range(2 * N_SAMPLE)]
    one = report(write_scan(tmp_path / "one" / "scan", rows))
    two = report(write_scan(tmp_path / "two" / "scan", rows[::-1], n_parts=5), tmp_path / "new" / "two.html")
    assert one == tmp_path / "one" / "scan" / "_report.html"
    assert one.read_bytes() == two.read_bytes()
    assert [entry.name for entry in two.parent.iterdir()] == ["two.html"]


def test_strange_folder_name_and_values(tmp_path):
    rows = [
        answered("a", 1e-300),
        answered("b", 1e300, mean_mass_u=1e300),
        answered("c", -1.0),
        answered("d", 1.0, mean_mass_u=None, n_atoms=None, lower_w_mk=None, upper_w_mk=None) | {"elements": None},
        answered("e", 2.0, mean_mass_u=float("nan"), lower_w_mk=float("inf"), formula=None),
    ]
    folder = write_scan(tmp_path / "a=1" / "sc[an]*?$x", rows)
    (folder / "_manifest.json").write_text("{not json")
    overview = overview_of(folder)
    assert overview.n_answered == 4
    assert sum(cell.n for cell in overview.by_mass) == 2
    Tags(report(folder).read_text())


@pytest.mark.parametrize("rows", [[], [refused("a", "broken")]])
def test_scan_without_an_answer(tmp_path, rows):
    html = report(write_scan(tmp_path / "scan", rows)).read_text()
    assert "No crystal has an answer" in html


def test_a_large_scan_stays_a_small_page(tmp_path):
    n = 200_000
    rng = np.random.default_rng(0)
    kappa = np.exp(rng.normal(1.5, 1.2, n))
    symbols = np.array(["Mg", "O", "Pb", "Te", "Si", "Cs"])
    ids = [f"{'very-' * 40}long-{k}" for k in range(n)]
    columns = {
        "id": ids,
        "formula": ["PbTe"] * n,
        "n_atoms": rng.integers(1, 200, n),
        "elements": symbols[np.sort(np.array([[0, 1], [2, 3], [1, 4], [0, 5]])[rng.integers(0, 4, n)])].tolist(),
        "mean_mass_u": rng.uniform(5, 230, n),
        "kappa_w_mk": kappa,
        "lower_w_mk": kappa / 1.3,
        "upper_w_mk": kappa * 1.3,
        "in_domain": rng.random(n) > 0.1,
        "reason": [None] * n,
        "known_rungs": [[]] * n,
        "structure_hash": ids,
    }
    folder = tmp_path / "scan"
    folder.mkdir()
    pq.write_table(pa.table(columns, schema=SCHEMA), folder / "part-000000.parquet")
    page = report(folder)
    assert page.stat().st_size < 2_000_000
    assert "200,000" in page.read_text()
    assert f"{N_SAMPLE:,} of 200,000" in re.sub("\N{NO-BREAK SPACE}", " ", page.read_text())


def test_errors_are_sentences(tmp_path):
    with pytest.raises(BadScan, match="no such folder"):
        report(tmp_path / "nowhere")
    with pytest.raises(BadScan, match="give a folder that `kappatune screen --out` has filled"):
        report(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(BadScan, match="not the folder of a scan"):
        report(tmp_path / "file")
    (tmp_path / "part-000000.parquet").write_bytes(b"PAR1 this is no table")
    with pytest.raises(BadScan, match="the scan cannot be read"):
        report(tmp_path)
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "part-000000.parquet")
    with pytest.raises(BadScan, match="the scan cannot be read"):
        report(tmp_path)
    assert not (tmp_path / "_report.html").exists()


def test_command(tmp_path):
    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        main = "from kappatune.cli import main; main()"
        command = [sys.executable, "-c", main, "report", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    folder = write_scan(tmp_path / "scan", [answered("a", 1.0)], complete=False)
    done = run(folder, "--out", tmp_path / "r.html")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'r.html'}\n"), done.stderr
    assert done.stderr == "the scan is unfinished: the report covers what is done so far\n"
    failed = run(tmp_path / "nowhere")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == f"kappatune: {tmp_path / 'nowhere'}: no such folder\n"
    unwritable = run(folder, "--out", tmp_path)
    assert unwritable.returncode == 1
    assert "Is a directory" in unwritable.stderr
    assert len(unwritable.stderr.splitlines()) == 1
