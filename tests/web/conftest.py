from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the page needs kappatune[web]")

from starlette.testclient import TestClient

from kappatune.web.app import create_app
from kappatune.web.limits import Limits
from kappatune.web.service import Service, open_service
from studies.speed.scan_parts import write_scan
from studies.speed.serving import Server, serving
from tests.web.browsing import opened

LIMITS = Limits(body_bytes=12 * 2**20, files=300, file_bytes=4 * 2**20, inflated_bytes=40 * 2**20, crystals=1000)


@pytest.fixture(scope="session")
def scan_folder(tmp_path_factory) -> Path:
    """A scan of 3,000 made-up crystals."""
    return write_scan(tmp_path_factory.mktemp("scan") / "made-up", 3000)


@pytest.fixture(scope="session")
def service(scan_folder) -> Service:
    return open_service("fast", scan=scan_folder, limits=LIMITS)


@pytest.fixture(scope="session")
def client(service) -> Iterator[TestClient]:
    with TestClient(create_app(service), base_url="http://127.0.0.1:8000") as client:
        yield client


@pytest.fixture(scope="session")
def server(scan_folder) -> Iterator[Server]:
    """`kappatune serve` as a user starts it."""
    with serving("--model", "fast", "--scan", str(scan_folder)) as server:
        yield server


@pytest.fixture(scope="session")
def chromium() -> str:
    """Debian's browser; tests that need it are skipped without."""
    pytest.importorskip("playwright", reason="the browser is driven by playwright: pip install playwright")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    return path


@pytest.fixture(scope="session")
def browser(chromium) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    graphics = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    with sync_playwright() as playwright:
        sandbox = [] if os.geteuid() else ["--no-sandbox"]
        browser = playwright.chromium.launch(executable_path=chromium, args=[*graphics, *sandbox])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, server) -> Iterator[Any]:
    with opened(browser, server.url) as page:
        yield page
