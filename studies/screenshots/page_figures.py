"""Screenshots of the web page for the docs.

    python -m studies.screenshots.page_figures --out docs/figures

Scans the shipped prototypes with `fast`, serves the scan, verifies a crystal with a potential, and takes a screenshot
of each view in Chromium, light and dark, 1280 and 390 pixels wide.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from PIL import Image

from kappatune.storage import SHIPPED_TABLES
from studies.figures import FIGURES
from studies.speed.serve_page import GRAPHICS
from studies.speed.serving import serving

WIDTHS = {"wide": 1280, "narrow": 390}
TEXTBOOK = SHIPPED_TABLES["shipped:textbook"].parent
BATCH = ("Si", "BeO", "NaCl", "GaAs", "Bi2Te3", "CaF2", "ZnO", "PbS")
_COLOURS = 256
_MAX_HEIGHT = {"wide": 1750, "narrow": 2600}
_VERIFICATION_MS = 3_600_000


def main(
    out: Annotated[Path, typer.Option(help="Folder of the pictures.")] = FIGURES,
    only: Annotated[str | None, typer.Option(help="Only pictures whose name contains this.")] = None,
    calculator: Annotated[str, typer.Option(help="The potential of the verification.")] = "sevennet-l3i5",
) -> None:
    """Take screenshots of every view of the page: a quarter of an hour, most of it a verification."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        scan = Path(name) / "prototypes"
        sources = [str(path) for path in sorted(SHIPPED_TABLES["shipped:prototypes"].glob("*.parquet"))]
        cli = [sys.executable, "-c", "from kappatune.cli import main; main()", "screen"]
        subprocess.run([*cli, *sources, "--out", str(scan), "--workers", "1"], check=True, capture_output=True)
        computing = ("--compute", "--calculator", calculator, "--jobs", str(Path(name) / "jobs"))
        with serving("--scan", str(scan), *computing) as server:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=GRAPHICS)
            for scheme in ("light", "dark"):
                for width, pixels in WIDTHS.items():
                    page = browser.new_page(viewport={"width": pixels, "height": 900}, color_scheme=scheme)
                    for view, show in VIEWS.items():
                        if only and only not in f"{view}_{scheme}_{width}":
                            continue
                        page.goto(f"{server.url}/#{view.partition('-')[0]}")
                        page.reload()
                        part = show(page)
                        page.wait_for_timeout(600)
                        file = out / f"page_{view}_{scheme}_{width}.png"
                        if part is None:
                            page.screenshot(path=file, full_page=True)
                        else:
                            part.screenshot(path=file)
                        _shrink(file, _MAX_HEIGHT[width])
                        typer.echo(f"{file} {file.stat().st_size / 1e3:.0f} kB")
                    page.close()
            browser.close()


def _predict(page: Any) -> None:
    page.locator("#drop").get_by_role("button", name="NaCl").click()  # the table of the last batch may name it, too
    page.wait_for_selector("canvas")


def _batch(page: Any) -> None:
    page.set_input_files("#files", [*(TEXTBOOK / f"{name}.cif" for name in BATCH), TEXTBOOK / "values.csv"])
    page.wait_for_selector("#failures:not([hidden])")
    page.locator("#batch-table tbody button").nth(4).click()
    page.wait_for_selector("canvas")


def _explore(page: Any) -> None:
    page.get_by_role("button", name="Oxygen").click()
    page.wait_for_selector("#explore .dot")
    page.wait_for_timeout(900)


def _evidence(page: Any) -> None:
    page.wait_for_selector("#evidence figure .dot")


def _api(page: Any) -> None:
    page.wait_for_selector("#api pre")


def _verified(page: Any) -> Any:
    """Verify a crystal if that was not done before, and show what came of it."""
    _predict(page)
    job = page.get_by_role("region", name="Verify by phonons")
    ask = job.get_by_role("button", name="Verify by phonons")
    ask.or_(job.locator(".kappa")).wait_for()
    if ask.is_visible():
        ask.click()
        job.get_by_role("button", name="Start").click(timeout=_VERIFICATION_MS)
    job.locator("figure svg").first.wait_for(timeout=_VERIFICATION_MS)
    return job


VIEWS: dict[str, Callable[[Any], Any]] = {
    "predict": _predict,
    "predict-batch": _batch,
    "predict-verified": _verified,
    "explore": _explore,
    "evidence": _evidence,
    "api": _api,
}
"""What each picture shows, and the part of the page that it is cut to, if any."""


def _shrink(file: Path, max_height: int) -> None:
    """Crop very long pictures and reduce colours, so that the file stays small."""
    with Image.open(file) as image:
        cut = image.convert("RGB").crop((0, 0, image.width, min(image.height, max_height)))
    cut.quantize(_COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(file, optimize=True)


if __name__ == "__main__":
    typer.run(main)
