"""Answers of local servers, failures among them, entries of OPTIMADE, and lists of ids."""

from __future__ import annotations

import socket
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from kappatune.structures import Crystal
from kappatune.structures.crystal import element_symbol


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


def entry_of(crystal: Crystal, **changes) -> dict:
    """A crystal as an OPTIMADE provider lists it, with changed attributes."""
    symbols = [element_symbol(z) for z in crystal.numbers.tolist()]
    attributes = {
        "lattice_vectors": crystal.lattice.tolist(),
        "cartesian_site_positions": crystal.cartesian.tolist(),
        "species": [{"name": s, "chemical_symbols": [s], "concentration": [1.0]} for s in dict.fromkeys(symbols)],
        "species_at_sites": symbols,
        "nperiodic_dimensions": 3,
        "dimension_types": [1, 1, 1],
        "structure_features": [],
        "chemical_formula_reduced": "".join(sorted(set(symbols))),
        "elements": sorted(set(symbols)),
        "nsites": crystal.n_atoms,
    }
    return {"id": crystal.id, "type": "structures", "attributes": attributes | changes}
