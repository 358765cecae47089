"""The table of many crystals: what it counts, where it stays, what a reload keeps."""

from __future__ import annotations

import io
import re
import zipfile

import pytest

from tests.web import hostile
from tests.web.browsing import CALM_MS, files, opened

playwright_api = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra test")
expect = playwright_api.expect

N = 40
ROWS_OF_A_PAGE = 100
N_LONG = 240
"""So many that they are not answered at once."""


def swollen(k: int) -> str:
    """A cell of its own for every number."""
    return hostile.POSCAR.replace("2.106", f"{1.95 + k / 300:.3f}")


@pytest.fixture(scope="module")
def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for k in range(N):
            archive.writestr(f"{k}.vasp", swollen(k))
    return buffer.getvalue()


def answered(page, archive: bytes) -> None:
    page.set_input_files("#files", files(("all.zip", archive)))
    expect(page.locator("#status")).to_have_text(f"{N} crystals answered.", timeout=CALM_MS)


def test_counts_are_right_while_working(page):
    page.evaluate(
        "() => { window.said = []; new MutationObserver(() => window.said.push(["
        "document.getElementById('progress-word').textContent, document.getElementById('batch-title').textContent,"
        "document.querySelectorAll('#batch-table tbody tr').length]))"
        ".observe(document.getElementById('work'), { subtree: true, childList: true }); }"
    )
    page.set_input_files("#files", files(*((f"{k}.vasp", swollen(k)) for k in range(N_LONG))))
    expect(page.locator("#status")).to_have_text(f"{N_LONG} crystals answered.", timeout=CALM_MS)
    said = page.evaluate("window.said")
    working = [(word, title, rows) for word, title, rows in said if title.endswith(f" of {N_LONG} crystals")]
    assert working
    for word, title, rows in working:
        assert word.removesuffix(" files") == title.removesuffix(" crystals")
        assert rows == min(int(title.split()[0]), ROWS_OF_A_PAGE)
    assert not any("so far" in title for _, title, _ in said)


def test_the_table_keeps_its_place_when_a_crystal_opens(page, archive):
    answered(page, archive)
    before = page.locator("#batch").bounding_box()
    row = page.locator("#batch-table tbody button").nth(N - 1)
    row.scroll_into_view_if_needed()
    scrolled = page.evaluate("document.querySelector('#batch .scroll').scrollTop")
    assert scrolled > 0
    row.click()
    page.wait_for_selector("#detail canvas")
    after = page.locator("#batch").bounding_box()
    detail = page.locator("#detail").bounding_box()
    assert detail["x"] > after["x"] + after["width"] - 1, "beside the table"
    assert page.evaluate("document.querySelector('#batch .scroll').scrollTop") == pytest.approx(scrolled, abs=2)
    assert after["x"] == before["x"]
    page.get_by_role("button", name="Close").click()
    assert page.is_hidden("#detail .kappa")
    assert page.evaluate("document.activeElement.textContent") == str(N - 1)


def test_on_a_phone_all_columns_are_reached_inside_the_table(browser, server, archive):
    with opened(browser, server.url, viewport={"width": 390, "height": 800}) as page:
        answered(page, archive)
        names = page.locator("#batch-table thead th").all_inner_texts()
        assert len(names) == 9
        last = page.locator("#batch-table thead th").last
        last.scroll_into_view_if_needed()
        box, first = last.bounding_box(), page.locator("#batch-table tbody th").first.bounding_box()
        assert 0 <= first["x"] < box["x"] < 390, "the last column and the names are both seen"
        assert page.evaluate("scrollX") == 0
        page.locator("#batch-table tbody button").first.click()
        page.wait_for_selector("#detail canvas")
        assert page.locator("#detail").bounding_box()["y"] < page.locator("#batch").bounding_box()["y"]


def test_a_reload_keeps_the_table(page, archive):
    answered(page, archive)
    page.reload()
    expect(page.locator("#batch-table tbody tr")).to_have_count(N, timeout=CALM_MS)
    assert re.match(f"{N} crystals, dft at 300 K", page.inner_text("#batch-title"))
