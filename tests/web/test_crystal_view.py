"""One crystal on the page: seeing it, reading it off, taking it along."""

from __future__ import annotations

import io
import json
import re

import pytest
from PIL import Image

from tests.web import hostile
from tests.web.browsing import CALM_MS, drop, opened, until, until_plots_fit

playwright_api = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra test")
expect = playwright_api.expect


@pytest.fixture
def salt(page):
    page.get_by_role("button", name="NaCl").click()
    page.wait_for_selector("#detail canvas")
    return page


def atoms_shown(page) -> int:
    return int(re.match(r"([\d,]+) atoms", page.get_attribute(".viewer", "aria-label"))[1].replace(",", ""))


def picture(page) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("button", name="Picture").click()
    return download.value.path().read_bytes()


def test_cells_bonds_and_polyhedra(salt):
    eight = atoms_shown(salt)
    salt.get_by_label("Cells shown").select_option("1")
    one = atoms_shown(salt)
    salt.get_by_label("Cells shown").select_option("3")
    assert one < eight < atoms_shown(salt)
    salt.get_by_label("Cells shown").select_option("1")
    bare = picture(salt)
    salt.get_by_role("button", name="Polyhedra").click()
    assert salt.get_by_role("button", name="Polyhedra").get_attribute("aria-pressed") == "true"
    assert atoms_shown(salt) > one, "the corners of the polyhedra are atoms"
    salt.get_by_role("button", name="Polyhedra").click()
    assert atoms_shown(salt) == one
    salt.get_by_role("button", name="Bonds").click()
    assert picture(salt) != bare
    legend = salt.inner_text(".legend")
    assert "Na 1 in the cell" in legend and "Cl 1 in the cell" in legend


def test_the_wheel_scrolls_the_page_until_the_view_is_clicked(salt):
    salt.locator(".viewer").scroll_into_view_if_needed()
    salt.locator(".viewer").hover()
    before = salt.evaluate("scrollY")
    salt.mouse.wheel(0, 120)
    until(salt, "before => scrollY !== before", arg=before)
    salt.locator(".viewer").click()
    at, seen = salt.evaluate("scrollY"), picture(salt)
    salt.locator(".viewer").click()
    salt.mouse.wheel(0, 120)
    salt.wait_for_timeout(300)
    assert salt.evaluate("scrollY") == at
    assert picture(salt) != seen, "the wheel zooms"


def test_the_view_is_used_by_keyboard(salt):
    first = picture(salt)
    salt.focus(".viewer")
    salt.keyboard.press("ArrowRight")
    salt.keyboard.press("+")
    turned = picture(salt)
    salt.focus(".viewer")
    salt.keyboard.press("0")
    assert turned != first and picture(salt) == first
    salt.focus(".viewer")
    salt.keyboard.press("Escape")
    assert salt.evaluate("document.activeElement.className") != "viewer"


def is_whole(png: bytes) -> bool:
    """Whether nothing of the crystal is cut by the left and right ends of a picture."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    ground = image.getpixel((0, 0))
    ends = [image.crop((x, 0, x + 1, image.height)).getcolors() for x in (0, image.width - 1)]
    return all(colours == [(image.height, ground)] for colours in ends)


@pytest.mark.parametrize("width", [1280, 390])
def test_full_screen_shows_all_of_the_crystal_and_is_left_again(browser, server, width):
    with opened(browser, server.url, viewport={"width": width, "height": 800}) as page:
        page.get_by_role("button", name="NaCl").click()
        page.wait_for_selector("#detail canvas")
        first = picture(page)
        page.get_by_role("button", name="Full screen").click()
        until(page, "document.fullscreenElement?.className === 'scene'")
        until(page, "document.querySelector('.viewer').clientHeight > innerHeight * 0.7")
        page.get_by_role("button", name="Leave full screen").wait_for()
        page.wait_for_timeout(300)
        seen = picture(page)
        assert Image.open(io.BytesIO(seen)).height > 1.5 * Image.open(io.BytesIO(first)).height
        assert is_whole(seen)
        page.focus(".viewer")
        page.keyboard.press("ArrowRight")
        assert picture(page) != seen, "keys turn it there, too"
        page.keyboard.press("0")
        page.get_by_role("button", name="Leave full screen").click()
        until(page, "document.fullscreenElement === null")
        page.get_by_role("button", name="Full screen").wait_for()
        page.wait_for_timeout(300)
        page.get_by_role("button", name="Reset").click()
        assert picture(page) == first


def test_copied_as_json_csv_and_bibtex(browser, server):
    with opened(browser, server.url, permissions=["clipboard-read", "clipboard-write"]) as page:
        drop(page, ("=mp-22862.cif", hostile.CIF))
        page.wait_for_selector("#detail .kappa")
        copied = {}
        for name in ("JSON", "CSV", "BibTeX"):
            page.get_by_role("group", name="Copy").get_by_role("button", name=name, exact=True).click()
            expect(page.locator(".share [role=status]")).to_have_text(f"{name} copied.", timeout=CALM_MS)
            copied[name] = page.evaluate("navigator.clipboard.readText()")
        row = json.loads(copied["JSON"])
        assert row["file"] == "=mp-22862.cif" and row["kappa_w_mk"] > 0
        head, line = copied["CSV"].splitlines()
        assert head.startswith("id,file,formula,temperature_k,kappa_w_mk") and "'=mp-22862.cif" in line
        assert "@software{kappatune" in copied["BibTeX"] and "toher2014" in copied["BibTeX"]
        link = page.get_by_role("link", name=re.compile("Materials Project"))
        assert link.get_attribute("href") == "https://materialsproject.org/materials/mp-22862"


def test_curves_are_read_off_and_no_label_lies_on_one(salt):
    until_plots_fit(salt)
    plot = salt.locator("section[aria-label='Temperature dependence'] svg")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    salt.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.5)
    expect(plot.locator(".reading")).to_have_text(re.compile(r"^\d+ K: [\d.]+ \([\d.]+ to [\d.]+\)$"), timeout=CALM_MS)
    clear = plot.evaluate(
        "svg => { const label = [...svg.querySelectorAll('text')].find(t => t.textContent === 'κ, W/(m K)').getBBox();"
        "const band = svg.querySelector('.band').getBBox(); return label.y + label.height <= band.y; }"
    )
    assert clear


def test_a_curve_of_any_length_is_drawn(page):
    curve = (
        "async n => { const { cumulative } = await import('/curves.js'); const xs = [...Array(n).keys()];"
        "const figure = cumulative(400, xs, xs, { title: 'frequency', unit: 'THz' });"
        "return figure.querySelector('polyline').getAttribute('points').split(' ').length; }"
    )
    assert page.evaluate(curve, 200_000) == 200_000


def axis_labels(page, figure: str) -> list[dict]:
    """Texts below the axis of a figure that `figure`, an expression of curves.js, makes, with their ends in pixels."""
    return page.evaluate(
        "async () => { const curves = await import('/curves.js'); const made = " + figure + ";"
        "document.body.append(made);"
        "const base = made.querySelector('svg').viewBox.baseVal.height - 44;"
        "return [...made.querySelectorAll('text')].map(t => ({ text: t.textContent, box: t.getBBox() }))"
        ".filter(t => t.box.y > base && !t.text.includes(','))"
        ".map(({ text, box }) => ({ text, from: box.x, to: box.x + box.width, top: box.y })); }"
    )


def test_names_below_an_axis_do_not_overlap(page):
    paths = (
        "curves.cumulative(380, [...Array(500).keys()].map(k => 10 ** (k / 10 - 46)),"
        "[...Array(500).keys()].map(k => (k < 430 ? 0 : k - 429)), { title: 'mean free path', unit: 'nm', log: true })"
    )
    bands = (
        "curves.dispersion(380, { frequency_thz: [[0, 1, 2, 1, 0]], distance: [0, 1, 1.08, 1.3, 2],"
        "labels: ['G', 'X', 'K|U', 'X|G', 'GAMMA'], label_distance: [0, 1, 1.08, 1.3, 2] })"
    )
    for figure in (paths, bands):
        labels = axis_labels(page, figure)
        assert len(labels) >= 3
        for a in labels:
            for b in labels:
                assert a is b or a["top"] != b["top"] or a["to"] <= b["from"] or b["to"] <= a["from"], (a, b)
    assert [one["text"] for one in labels] == ["Γ", "X", "K|U", "X|Γ", "Γ"]
    assert all("⁻⁴" not in one["text"] for one in axis_labels(page, paths)), "the axis begins where heat is carried"


def test_commands_and_negative_numbers_are_typeset(page):
    said = page.evaluate(
        "async () => { const { h, number, typeset } = await import('/dom.js');"
        "const p = h('p', {}, typeset('`nequix` has (`kappatune data fetch nequix`), a^2, one ` alone'));"
        "return [p.textContent, p.querySelectorAll('code').length, number(-1.9e-7), number(-2.5), number(-12345)]; }"
    )
    assert said == ["nequix has (kappatune data fetch nequix), a2, one ` alone", 2, "−1.9 × 10⁻⁷", "−2.5", "−12,345"]


def test_sentences_and_exponents_are_typeset(page):
    page.get_by_role("button", name="Bi₂Te₃").click()
    page.wait_for_selector("#detail .kappa")
    text = page.inner_text("#detail")
    assert "Layered. The bonds run along layers, so κ differs between directions" in text
    assert re.search(r"κ is [\d.]+ times lower than that of a typical crystal", text)
    assert "^" not in text and "kappa " not in text
    assert page.locator(".why sup").first.inner_text() == "−1/6"
