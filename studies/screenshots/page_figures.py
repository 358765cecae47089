"""Screenshots of the web page for the docs.

    python -m studies.screenshots.page_figures --out docs/figures

Scans the shipped prototypes with `fast`, serves the scan, and takes a screenshot of each view in Chromium, light and
dark, 1280 and 390 pixels wide.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from PIL import Image

from kappatune.storage import SHIPPED_TABLES
from studies.figures import FIGURES
from studies.speed.serving import serving

WIDTHS = {"wide": 1280, "narrow": 390}
TEXTBOOK = SHIPPED_TABLES["shipped:textbook"].parent
BATCH = ("Si", "BeO", "NaCl", "GaAs", "Bi2Te3", "CaF2", "ZnO", "PbS")
_COLOURS = 256
_MAX_HEIGHT = {"wide": 1750, "narrow": 2600}
_GPU = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"]


def main(
    out: Annotated[Path, typer.Option(help="Folder of the pictures.")] = FIGURES,
    only: Annotated[str | None, typer.Option(help="Only pictures whose name contains this.")] = None,
) -> None:
    """Take screenshots of every view of the page: minutes."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        scan = Path(name) / "prototypes"
        sources = [str(path) for path in sorted(SHIPPED_TABLES["shipped:prototypes"].glob("*.parquet"))]
        cli = [sys.executable, "-c", "from kappatune.cli import main; main()", "screen"]
        subprocess.run([*cli, *sources, "--out", str(scan), "--workers", "1"], check=True, capture_output=True)
        with serving("--scan", str(scan)) as server:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=_GPU)
            for scheme in ("light", "dark"):
                for width, pixels in WIDTHS.items():
                    page = browser.new_page(viewport={"width": pixels, "height": 900}, color_scheme=scheme)
                    for view, show in VIEWS.items():
                        if only and only not in f"{view}_{scheme}_{width}":
                            continue
                        page.goto(f"{server.url}/#{view.partition('-')[0]}")
                        page.reload()
                        show(page)
                        page.wait_for_timeout(600)
                        file = out / f"page_{view}_{scheme}_{width}.png"
                        page.screenshot(path=file, full_page=True)
                        _shrink(file, _MAX_HEIGHT[width])
                        typer.echo(f"{file} {file.stat().st_size / 1e3:.0f} kB")
                    page.close()
            browser.close()


def _predict(page: Any) -> None:
    page.get_by_role("button", name="NaCl").click()
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


VIEWS = {"predict": _predict, "predict-batch": _batch, "explore": _explore, "evidence": _evidence, "api": _api}


def _shrink(file: Path, max_height: int) -> None:
    """Crop very long pictures and reduce colours, so that the file stays small."""
    with Image.open(file) as image:
        cut = image.convert("RGB").crop((0, 0, image.width, min(image.height, max_height)))
    cut.quantize(_COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(file, optimize=True)


if __name__ == "__main__":
    typer.run(main)
