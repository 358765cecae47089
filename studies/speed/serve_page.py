"""From a click to what is read on the page, in Chromium: the first answer, a link that is followed, 100 CIFs.

    python -m studies.speed.serve_page

Needs Chromium and playwright. Browser and server share the machine, and the processor draws the crystal, as no graphics
card does.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Annotated, Any

import typer

from kappatune.storage import ASSETS
from studies.speed.serve import N_FILES, REPEATS, SEED, ten_atom_cifs
from studies.speed.serving import serving
from studies.speed.weights import shipped_weights
from studies.store import save_result

CRYSTAL = ASSETS / "textbook" / "NaCl.cif"
GRAPHICS = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox")
_TIMEOUT_MS = 120_000


def main(
    model: str = "accurate",
    repeats: Annotated[int, typer.Option(min=1, help="Visits that are timed, after one that is not.")] = REPEATS,
) -> None:
    """Time the page with an empty browser cache: a minute."""
    from playwright.sync_api import sync_playwright

    load_before = os.getloadavg()[0]
    with TemporaryDirectory() as name, sync_playwright() as playwright, serving("--model", model) as server:
        cifs = [Path(name) / f"{k}.cif" for k in range(N_FILES)]
        for path, content in zip(cifs, ten_atom_cifs(N_FILES), strict=True):
            path.write_bytes(content)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=GRAPHICS)
        times = [_visit(browser, server.url, cifs) for _ in range(repeats + 1)][1:]
        browser.close()
    save_result(
        "serve_page",
        {
            "weights_sha256": shipped_weights(),
            "model": model,
            "seed": SEED,
            "n_cores": os.cpu_count(),
            "load_average": {"before": round(load_before, 2), "after": round(os.getloadavg()[0], 2)},
            "n_files": N_FILES,
            "repeats": repeats,
            "median_s": {step: median(one[step] for one in times) for step in times[0]},
            "longest_s": {step: max(one[step] for one in times) for step in times[0]},
        },
    )


def _visit(browser: Any, url: str, cifs: list[Path]) -> dict[str, float]:
    """Seconds of each step of a visit: `loaded`, `first_answer` after a file is given, `address` followed, `batch`."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(_TIMEOUT_MS)
    times = {}
    start = perf_counter()
    page.goto(url)
    times["loaded"] = perf_counter() - start
    start = perf_counter()
    page.set_input_files("#files", CRYSTAL)
    page.wait_for_selector("#detail .kappa")
    times["first_answer"] = perf_counter() - start
    page.wait_for_selector("#detail canvas")
    address = page.url
    context.close()
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(_TIMEOUT_MS)
    start = perf_counter()
    page.goto(address)
    page.wait_for_selector("#detail .kappa")
    times["address"] = perf_counter() - start
    page.wait_for_selector("#detail canvas")
    start = perf_counter()
    page.set_input_files("#files", cifs)
    page.get_by_text(f"{len(cifs)} crystals answered.").wait_for()
    times["batch"] = perf_counter() - start
    context.close()
    return times


if __name__ == "__main__":
    typer.run(main)
