"""No serious violation of accessibility, by axe-core."""

from __future__ import annotations

import pytest

from tests.web import hostile
from tests.web.browsing import files, opened

pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra test")
axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="needs axe-playwright-python, of the extra test"
)

FILES = (("a.vasp", hostile.POSCAR), ("b.cif", hostile.CIF), ("bad.cif", "data_x\n_cell_length_a 4\n"))
SERIOUS = {"serious", "critical"}


def violations(page) -> list[str]:
    found = axe.Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found if one["impact"] in SERIOUS]


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_violation(browser, server, scheme, width):
    with opened(browser, server.url, viewport={"width": width, "height": 900}, color_scheme=scheme) as page:
        assert violations(page) == []
        page.set_input_files("#files", files(*FILES))
        page.locator("#batch-table tbody button").first.click()
        page.wait_for_selector("#detail canvas")
        assert violations(page) == []
        page.click("nav >> text=Explore")
        page.locator("#explore tbody button").first.click()
        page.wait_for_selector("#explore canvas")
        assert violations(page) == []
        page.click("nav >> text=Evidence")
        page.wait_for_selector("#evidence figure")
        for details in page.locator("#evidence details > summary").all():
            details.click()
        assert violations(page) == []
        page.click("nav >> text=API")
        page.wait_for_selector("#api pre")
        assert violations(page) == []
