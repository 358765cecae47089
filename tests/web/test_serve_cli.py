from __future__ import annotations

import socket
import sys

import pytest
from typer.testing import CliRunner

from kappatune.cli import app
from kappatune.errors import install_hint
from kappatune.web.security import is_loopback
from kappatune.web.server import CannotListen, bind_socket


def serve(*options: str):
    return CliRunner().invoke(app, ["serve", *options])


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "kappatune.web.server")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = serve()
    assert result.exit_code == 1
    assert f"not installed (uvicorn): {install_hint('web')}" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_port_in_use_is_said_before_anything_is_loaded():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=f"127.0.0.1:{port} .*another --port"):
            bind_socket("127.0.0.1", port)
        assert serve("--port", str(port)).exit_code == 1


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--model", "nowhere"), "no model there"),
        (("--scan", "nowhere", "--model", "fast"), "no such folder"),
        (("--labels", "nowhere.csv", "--model", "fast"), "no such file"),
        (("--host", "203.0.113.7"), "cannot listen"),
    ],
)
def test_what_cannot_be_opened_is_said_in_a_sentence(options, word):
    result = serve("--port", "0", *options)
    assert result.exit_code == 1 and word in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("[::1]", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.2", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_loopback_is_told_from_the_rest(host, alone):
    assert is_loopback(host) == alone


def test_what_computing_needs_is_said_before_it_serves(tmp_path):
    (tmp_path / "file").write_text("")
    for options, word in (
        (("--keep", str(tmp_path / "file")), "another --keep"),
        (("--compute", "--jobs", str(tmp_path / "file")), "another --jobs"),
        (("--compute", "--jobs", str(tmp_path), "--calculator", "nowhere"), "no potential 'nowhere'"),
    ):
        result = serve("--port", "0", "--model", "fast", *options)
        assert result.exit_code == 1 and word in result.stderr and "Traceback" not in result.stderr, result.stderr
