"""Exploring a scan: the table stays where it is, crystals have addresses, a reload loses nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

import kappatune
from kappatune.storage import SHIPPED_TABLES
from studies.speed.serving import Server, serving
from tests.web.browsing import CALM_MS, opened, until_plots_fit

playwright_api = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra test")
expect = playwright_api.expect

ADDRESS = re.compile("/crystal/[0-9a-f]{16}$")


@pytest.fixture(scope="module")
def exploring(tmp_path_factory) -> Iterator[Server]:
    """A server with a scan of the textbook crystals."""
    folder = tmp_path_factory.mktemp("explore") / "textbook"
    crystals = sorted(SHIPPED_TABLES["shipped:textbook"].parent.glob("*.cif"))
    kappatune.screen(crystals, folder, "fast", workers=1)
    with serving("--model", "fast", "--scan", str(folder)) as server:
        yield server


@pytest.fixture
def scan(browser, exploring):
    with opened(browser, f"{exploring.url}/#explore", in_space=False) as page:
        page.wait_for_selector("#explore tbody tr")
        page.wait_for_selector("#explore .hit")
        yield page


def look_at(page, k: int) -> str:
    """Open a crystal of the table, and return its address."""
    before = page.url
    page.locator("#explore tbody button").nth(k).click()
    page.wait_for_selector("#explore .kappa")
    page.wait_for_url(lambda url: ADDRESS.search(url) and url != before)
    return page.url


def test_neither_table_nor_plot_moves_when_a_crystal_opens_or_closes(scan):
    row = scan.locator("#explore tbody button").nth(12)
    row.scroll_into_view_if_needed()
    scan.evaluate("scrollBy(0, 120)")
    places = [row.bounding_box()["y"]]
    look_at(scan, 12)
    places.append(row.bounding_box()["y"])
    scan.locator("#explore .close").evaluate("close => close.click()")  # the mouse would scroll to it
    places.append(row.bounding_box()["y"])
    assert places == pytest.approx([places[0]] * 3, abs=6), "the row that was clicked stays under the pointer"
    plot = scan.get_by_label("Scatter plot").locator(".plot")
    until_plots_fit(scan)
    plot.scroll_into_view_if_needed()
    before = plot.bounding_box()["y"]
    plot.locator(".hit").first.dispatch_event("click")
    scan.wait_for_selector("#explore .kappa")
    assert plot.bounding_box()["y"] == pytest.approx(before, abs=6)


def test_a_crystal_of_the_scan_has_an_address_that_survives_a_reload(scan, browser, exploring):
    first = look_at(scan, 3)
    formula, kappa = scan.inner_text("#explore .detail-head h2"), scan.inner_text("#explore .kappa")
    assert scan.title() == f"{formula} · kappatune"
    scan.reload()
    expect(scan.locator("#explore .kappa")).to_have_text(kappa, timeout=CALM_MS)
    assert scan.url == first and scan.is_hidden("#predict")
    assert "In the scan, by fast" in scan.inner_text("#explore")
    assert scan.locator("#explore tbody tr.chosen").count() == 1
    look_at(scan, 7)
    scan.go_back()
    expect(scan.locator("#explore .detail-head h2")).to_have_text(formula, timeout=CALM_MS)
    assert scan.url == first
    scan.click("nav >> text=Evidence")
    scan.wait_for_selector("#evidence figure")
    scan.click("nav >> text=Explore")
    assert scan.url == first and scan.inner_text("#explore .kappa") == kappa
    with opened(browser, first, in_space=False) as other:
        other.wait_for_selector("#detail .kappa")
        assert other.inner_text("#detail .kappa") == kappa, "whoever gets the link sees the crystal without the scan"
    scan.locator("#explore").get_by_role("button", name="Close").click()
    assert scan.url == f"{exploring.url}/#explore" and scan.title() == "Explore a scan · kappatune"


def test_a_reload_keeps_the_filters(scan):
    scan.get_by_role("button", name=re.compile("^Oxygen")).click()
    scan.get_by_label("κ to, W/(m K)").fill("50")
    expect(scan.locator("#explore [role=status]")).to_have_text(re.compile("^[1-8] crystals of"), timeout=CALM_MS)
    said = scan.inner_text("#explore [role=status]")
    scan.reload()
    expect(scan.locator("#explore [role=status]")).to_have_text(said, timeout=CALM_MS)
    assert scan.get_by_label("κ to, W/(m K)").input_value() == "50"
    assert "required" in scan.get_by_role("button", name=re.compile("^Oxygen")).get_attribute("aria-label")
