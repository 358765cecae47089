"""Downloading weights: from a local server, with their hash checked, and nothing kept that is not theirs."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from typer.testing import CliRunner

from kappatune.cli import app
from kappatune.data import nequix_weights
from kappatune.data.nequix_weights import fetch_nequix
from kappatune.errors import BadSource

WEIGHTS = b"weights" * 1000


class Handler(BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self):
        Handler.asked += 1
        self.send_response(200 if self.path == "/model.nqx" else 404)
        self.end_headers()
        self.wfile.write(WEIGHTS)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch) -> Iterator[str]:
    monkeypatch.setattr(nequix_weights, "SHA256", hashlib.sha256(WEIGHTS).hexdigest())
    Handler.asked = 0
    http = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    http.server_close()


def test_weights_are_fetched_once(server, tmp_path):
    path = tmp_path / "cache" / "model.nqx"
    assert fetch_nequix(path, f"{server}/model.nqx") == path
    assert path.read_bytes() == WEIGHTS
    fetch_nequix(path, f"{server}/model.nqx")
    assert Handler.asked == 1


def test_another_file_is_refused_and_not_kept(server, tmp_path, monkeypatch):
    monkeypatch.setattr(nequix_weights, "SHA256", "0" * 64)
    with pytest.raises(BadSource, match="not the known file"):
        fetch_nequix(tmp_path / "model.nqx", f"{server}/model.nqx")
    assert list(tmp_path.iterdir()) == []


def test_what_is_too_large_is_not_read_to_the_end(server, tmp_path, monkeypatch):
    monkeypatch.setattr(nequix_weights, "_LARGEST", 100)
    with pytest.raises(BadSource, match="larger than"):
        fetch_nequix(tmp_path / "model.nqx", f"{server}/model.nqx")


@pytest.mark.parametrize("address", ["/missing.nqx", None])
def test_an_address_that_fails_says_what_to_do(server, tmp_path, address):
    url = server + address if address else "http://127.0.0.1:9/model.nqx"
    with pytest.raises(BadSource, match="give its path: --calculator"):
        fetch_nequix(tmp_path / "model.nqx", url)


def test_the_command_names_authors_and_licence_and_prints_the_path(server, tmp_path, monkeypatch):
    monkeypatch.setenv("KAPPATUNE_CACHE", str(tmp_path))
    result = CliRunner().invoke(app, ["data", "fetch", "nequix", "--url", f"{server}/model.nqx"])
    assert result.exit_code == 0
    assert (tmp_path / "nequix-mp-1-pft.nqx").read_bytes() == WEIGHTS
    assert "CC BY 4.0" in result.stderr and "Koker" in result.stderr
