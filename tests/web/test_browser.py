"""The page in a real browser, as people use it."""

from __future__ import annotations

import csv
import io
import re
import zipfile

import pytest

from tests.web import hostile
from tests.web.browsing import CALM_MS, drop, files, until

playwright_api = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra test")
expect = playwright_api.expect

BAD = "data_x\n_cell_length_a 4\n"


def test_drop_a_cif_and_read_kappa(page):
    drop(page, ("nacl.cif", hostile.CIF))
    page.wait_for_selector("#detail .kappa")
    kappa = page.inner_text("#detail .kappa")
    assert re.fullmatch(r"[\d.,]+ W/\(m K\) at 300 K", kappa.replace("\n", " ").strip()), kappa
    detail = page.inner_text("#detail")
    for word in (
        "90 % interval",
        "Debye temperature",
        "Grüneisen",
        "In domain",
        "Nearest labelled",
        "Slack formula",
        " K",
    ):
        assert word in detail, word
    page.wait_for_selector("#detail canvas")
    product = page.inner_text(".product")
    left, right = product.removesuffix(" W/(m K) at 300 K").split(" = ")
    value = 1.0
    for factor in left.split(" × "):
        value *= float(factor.replace(",", ""))
    assert value == pytest.approx(float(right.replace(",", "")), rel=0.03)


def test_a_bad_cif_says_why(page):
    page.set_input_files("#files", files(("bad.cif", BAD)))
    page.wait_for_selector("#failures:not([hidden])")
    assert "bad.cif" in page.inner_text("#failures") and "_cell_length_b is missing" in page.inner_text("#failures")
    assert "1 without an answer" in page.inner_text("#status")
    assert page.is_hidden("#batch")


def test_a_batch_is_sorted_and_downloaded(page):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for k in range(100):
            archive.writestr(f"{k}.vasp", hostile.POSCAR.replace("2.106", f"{1.95 + k / 500:.3f}"))
    page.set_input_files("#files", files(("all.zip", buffer.getvalue()), ("bad.cif", BAD), ("=1+1.cif", BAD)))
    expect(page.locator("#status")).to_contain_text("100 answered", timeout=CALM_MS)
    page.click('[data-sort="kappa_w_mk"]')
    cells = [float(c.replace(",", "")) for c in page.locator("#batch-table td:nth-child(3)").all_inner_texts()]
    assert len(cells) == 100 and cells == sorted(cells) and cells[0] < cells[-1]
    page.click('[data-sort="kappa_w_mk"]')
    assert float(page.locator("#batch-table td:nth-child(3)").first.inner_text().replace(",", "")) == cells[-1]
    assert page.get_attribute('th:has([data-sort="kappa_w_mk"])', "aria-sort") == "descending"
    with page.expect_download() as download:
        page.click("#csv")
    text = download.value.path().read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert text.splitlines()[0] == (
        "id,file,formula,temperature_k,kappa_w_mk,lower_w_mk,upper_w_mk,debye_temperature_k,gruneisen,in_domain,"
        "reason,remarks,interval"
    )
    assert [row["id"] for row in rows[:100]] == [str(k) for k in range(100)]
    assert float(rows[0]["kappa_w_mk"]) > 0 and rows[100]["reason"].startswith("_cell_length_b")
    assert rows[101]["file"] == "'=1+1.cif"


def test_script_in_names_and_contents_stays_text(page):
    page.set_input_files("#files", files((f"{hostile.SCRIPT}.cif", BAD), (f"{hostile.SCRIPT}.vasp", hostile.POSCAR)))
    page.wait_for_selector("#failures:not([hidden])")
    page.wait_for_selector("#detail .kappa")
    assert "<script>" in page.inner_text("#failures")
    assert page.evaluate("window.hacked") is None


def test_a_long_batch_can_be_cancelled(page):
    page.set_input_files("#files", files(("many.extxyz", hostile.EXTXYZ * 1500)))
    page.click("#cancel")
    expect(page.locator("#status")).to_have_text(re.compile("^Cancelled"), timeout=CALM_MS)
    assert page.is_hidden("#progress")
    drop(page, ("nacl.cif", hostile.CIF))
    page.wait_for_selector("#detail .kappa")


def test_the_keyboard_is_enough(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "paste-open":
            break
    page.keyboard.press("Enter")
    page.keyboard.insert_text(hostile.POSCAR)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#detail .kappa")
    assert "MgO" in page.inner_text("#detail h2")


def test_temperature_and_rung_ask_anew(page):
    page.get_by_role("button", name="silicon").click()
    page.wait_for_selector("#detail .kappa")
    first = page.inner_text("#detail .kappa")
    page.fill("#temperature", "600")
    page.press("#temperature", "Enter")
    expect(page.locator("#detail .kappa")).to_contain_text("600 K", timeout=CALM_MS)
    page.select_option("#fidelity", "agl")
    expect(page.locator(".why")).to_contain_text("no correction", timeout=CALM_MS)
    assert page.inner_text("#detail .kappa") != first


def test_filter_a_scan(page):
    page.click("nav >> text=Explore")
    page.wait_for_selector("#explore tbody tr")
    page.get_by_role("button", name=re.compile("^Oxygen")).click()
    page.get_by_label("κ to, W/(m K)").fill("5")
    expect(page.locator("#explore [role=status]")).to_have_text(
        re.compile(r"^\d{1,3} crystals of 2,970"), timeout=CALM_MS
    )
    until(
        page, "[...document.querySelectorAll('#explore tbody td:nth-child(2)')].every((cell) => +cell.textContent <= 5)"
    )
    shown = int(page.inner_text("#explore [role=status]").split()[0])
    assert 0 < shown < 200
    formulas = page.locator("#explore tbody th").all_inner_texts()
    kappas = [float(text) for text in page.locator("#explore tbody td:nth-child(2)").all_inner_texts()]
    assert all("O" in formula for formula in formulas) and max(kappas) <= 5 and kappas == sorted(kappas)
    page.locator("#explore tbody button").first.click()
    page.wait_for_selector("#explore .detail-head")
    assert "In the scan, by made-up" in page.inner_text("#explore")


def test_the_other_views_and_the_weight(page, server):
    page.reload()
    page.get_by_role("button", name="NaCl").click()
    page.wait_for_selector("#detail canvas")
    page.click("nav >> text=Evidence")
    page.wait_for_selector("#evidence figure")
    assert "Calibration of dft" in page.inner_html("#evidence")
    page.click("nav >> text=API")
    expect(page.locator("#api")).to_contain_text(f"{server.url}/api/v1/predict", timeout=CALM_MS)
    sizes = page.evaluate("performance.getEntries().map(entry => entry.encodedBodySize ?? 0)")
    assert 500_000 < sum(sizes) < 3_000_000


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_runs_out_of_the_window(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.get_by_role("button", name="NaCl").click()
    page.wait_for_selector("#detail canvas")
    for view in ("predict", "explore", "evidence", "api"):
        page.evaluate(f"location.hash = '{view}'")
        page.wait_for_selector(f"#{view}:not([hidden])")
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view


def test_every_control_has_a_name(page):
    page.click("nav >> text=Explore")
    page.wait_for_selector("#explore tbody tr")
    nameless = page.evaluate(
        "[...document.querySelectorAll('button, a, input, select, textarea')].filter(e => !(e.textContent.trim() || "
        "e.getAttribute('aria-label') || e.labels?.length)).map(e => e.outerHTML.slice(0, 80))"
    )
    assert nameless == []
