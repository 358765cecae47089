"""Answers of local servers that fail as told, and lists of ids to ask for."""

from __future__ import annotations

import socket
from http.server import BaseHTTPRequestHandler
from pathlib import Path


def answer(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> bytes:
    """Send an answer; returns what `fault` returns when there is nothing more to send."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
    return b""


def hang_up(handler: BaseHTTPRequestHandler) -> bytes:
    handler.connection.shutdown(socket.SHUT_RDWR)
    return b""


def cut_short(handler: BaseHTTPRequestHandler) -> bytes:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"data": [')
    return hang_up(handler)


def id_table(path: Path, ids: list[str], column: str = "material_id") -> str:
    path.write_text("\n".join([f"{column},note", *(f"{id},x" for id in ids)]) + "\n")
    return str(path)
