"""Addresses, search and computing on the page, on a server that keeps crystals and computes with a toy potential."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from studies.speed.serving import Server, serving
from tests.web.browsing import CALM_MS, drop, opened, until_plots_fit

playwright_api = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra test")
pytest.importorskip("phono3py", reason="needs kappatune[phonons]")
expect = playwright_api.expect

POTENTIAL = Path(__file__).parents[1] / "toy_potentials.py"
LONG_MS = 300_000
COPPER = """Cu
3.6
0.0 0.5 0.5
0.5 0.0 0.5
0.5 0.5 0.0
Cu
1
Direct
0 0 0
"""


def options(folder: Path) -> list[str]:
    """What a server is started with that keeps everything in a folder."""
    potential = ["--compute", "--calculator", f"{POTENTIAL}:slow_copper"]
    return ["--model", "fast", *potential, "--keep", str(folder / "crystals"), "--jobs", str(folder / "jobs")]


@pytest.fixture(scope="module")
def computing(tmp_path_factory) -> Iterator[Server]:
    with serving(*options(tmp_path_factory.mktemp("kept"))) as server:
        yield server


@pytest.fixture
def page(browser, computing):
    with opened(browser, computing.url, in_space=False) as page:
        yield page


def look_at_copper(page) -> str:
    """Drop copper, and return its address."""
    drop(page, ("mp-30.vasp", COPPER))
    page.wait_for_selector("#detail .kappa")
    page.wait_for_url(re.compile("/crystal/[0-9a-f]{16}$"))
    return page.url


def test_an_answer_has_an_address_that_survives_a_reload(page):
    address = look_at_copper(page)
    kappa = page.inner_text("#detail .kappa")
    facts = page.inner_text("section[aria-label=Structure] .facts")
    assert "Fm3\u0305m (225)" in facts.replace("\n", "") and "g/cm³" in facts
    assert page.title() == "Cu · kappatune"
    page.reload()
    page.wait_for_selector("#detail .kappa")
    assert page.url == address and page.inner_text("#detail .kappa") == kappa
    assert page.get_by_role("link", name="mp-30 in the Materials Project").is_visible()
    page.fill("#temperature", "600")
    page.press("#temperature", "Enter")
    expect(page.locator("#detail .kappa")).to_contain_text("600 K", timeout=CALM_MS)
    assert page.url == f"{address}?temperature_k=600"
    page.reload()
    expect(page.locator("#detail .kappa")).to_contain_text("600 K", timeout=CALM_MS)
    page.click("nav >> text=Evidence")
    page.wait_for_selector("#evidence figure")
    page.go_back()
    expect(page.locator("#detail .kappa")).to_contain_text("600 K", timeout=CALM_MS)
    assert page.title() == "Cu · kappatune"


def test_an_unknown_address_and_a_formula_that_is_none_are_told(browser, computing):
    context = browser.new_context()  # Chromium notes answers of 404 and 422 as errors
    page = context.new_page()
    page.set_default_timeout(CALM_MS)
    page.goto(f"{computing.url}/crystal/{'0' * 16}")
    expect(page.locator("#problem")).to_contain_text("send its file again", timeout=CALM_MS)
    assert page.is_visible("#drop")
    page.get_by_label("Find a formula").fill("not a formula")
    page.keyboard.press("Enter")
    expect(page.locator("#problem")).to_contain_text("'not a formula' is not a formula", timeout=CALM_MS)
    context.close()


def test_the_cif_is_downloaded_also_where_nothing_is_seen_in_space(page):
    look_at_copper(page)
    expect(page.locator("section[aria-label=Structure]")).to_contain_text("this browser has no WebGL", timeout=CALM_MS)
    with page.expect_download() as download:
        page.get_by_role("button", name="CIF", exact=True).click()
    assert "_cell_length_a" in download.value.path().read_text()


def test_a_formula_is_found(page):
    page.get_by_label("Find a formula").fill("AsGa")
    page.keyboard.press("Enter")
    page.wait_for_selector("#found:not([hidden]) tbody tr")
    assert "measured" in page.inner_text("#found")
    page.locator("#found tbody button").first.click()
    page.wait_for_selector("#detail .kappa")
    assert page.inner_text("#detail h2") == "GaAs" and "/crystal/" in page.url


def test_agl_is_computed_read_off_and_downloaded(page):
    look_at_copper(page)
    job = page.get_by_role("region", name="AGL with a potential")
    job.get_by_role("button", name=re.compile("Compute AGL")).click()
    expect(job.locator(".cost")).to_contain_text("You may close this page", timeout=LONG_MS)
    job.get_by_role("button", name="Start").click()
    expect(job.locator(".kappa")).to_contain_text("by AGL", timeout=LONG_MS)
    until_plots_fit(page)
    plot = job.locator("figure svg").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(plot.locator(".reading")).to_have_text(re.compile("Å³: .* meV"), timeout=CALM_MS)
    expect(page.locator("section[aria-label='Temperature dependence'] .keys")).to_contain_text("AGL, computed")
    job.locator("summary").click()
    with page.expect_download() as download:
        job.get_by_role("button", name="row.json").click()
    assert json.loads(download.value.path().read_text())["kappa_w_mk"] > 0
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    expect(job.locator(".kappa")).to_contain_text("by AGL", timeout=LONG_MS)
    assert sum(url.endswith("/result") for url in asked) == 1, "figures and κ(T) are drawn of one result"


def hide(page, is_hidden: bool) -> None:
    """Tell the page that it went to the background, or came back."""
    page.evaluate(
        "hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
        "document.dispatchEvent(new Event('visibilitychange')); }",
        is_hidden,
    )


def test_a_verification_shows_its_progress_and_is_cancelled(page):
    look_at_copper(page)
    job = page.get_by_role("region", name="Verify by phonons")
    job.get_by_label("Quality of the verification").select_option("standard")
    job.get_by_role("button", name=re.compile("Verify by phonons")).click()
    job.get_by_role("button", name="Start").click(timeout=LONG_MS)
    expect(job.locator("progress")).to_be_visible(timeout=LONG_MS)
    with page.expect_request(re.compile("/events$"), timeout=LONG_MS):
        page.reload()
    with page.expect_event("requestfailed", lambda request: request.url.endswith("/events")):
        hide(page, True)
    with page.expect_request(re.compile("/events$")):
        hide(page, False)
    job.get_by_role("button", name="Cancel").click(timeout=LONG_MS)
    expect(job.get_by_role("status")).to_contain_text("Cancelled", timeout=LONG_MS)
    expect(job.get_by_role("button", name=re.compile("Verify by phonons"))).to_be_enabled()


def test_the_page_is_closed_the_server_restarts_and_the_verdict_is_at_the_same_address(browser, tmp_path):
    with serving(*options(tmp_path)) as server, opened(browser, server.url, in_space=False) as page:
        address = look_at_copper(page).removeprefix(server.url)
        assert page.inner_text("section[aria-label=Why]").count("typical") > 3
        job = page.get_by_role("region", name="Verify by phonons")
        job.get_by_role("button", name=re.compile("Verify by phonons")).click()
        job.get_by_role("button", name="Start").click(timeout=LONG_MS)
        expect(job.get_by_role("status")).to_contain_text("Forces of", timeout=LONG_MS)
    with serving(*options(tmp_path)) as server, opened(browser, f"{server.url}{address}", in_space=False) as page:
        job = page.get_by_role("region", name="Verify by phonons")
        expect(job.locator(".kappa")).to_contain_text("W/(m K) at 300 K from phonons", timeout=LONG_MS)
        assert "Not judged: " in job.inner_text(), "no potential of the tests has been compared with DFT"
        expect(page.locator("section[aria-label='Temperature dependence'] .keys")).to_contain_text("phonons, verified")
        assert page.inner_text("#detail h2") == "Cu" and "mp-30.vasp" in page.inner_text(".detail-head")
        assert job.locator("figure").count() >= 4
