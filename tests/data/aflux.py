"""A local AFLUX server with crystals of our own, and the command run against it."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import numpy as np
import pytest

from kappatune.cli import main
from kappatune.data.aflow import PAGE_SIZE, PROPERTIES
from kappatune.structures import Crystal
from kappatune.structures.crystal import element_symbol
from tests.builders import low_symmetry
from tests.providers import answer

CRYSTAL = low_symmetry()


def item_of(crystal: Crystal, number: int, **changes: object) -> dict[str, object]:
    """An entry as AFLUX gives it today: numbers and nested lists."""
    order = np.argsort(crystal.numbers, kind="stable")
    species, counts = np.unique(crystal.numbers, return_counts=True)
    lattice = crystal.to_pymatgen().lattice
    symbols = [element_symbol(z) for z in species.tolist()]
    compound = "".join(f"{s}{n}" for s, n in zip(symbols, counts.tolist(), strict=True))
    return {
        "compound": compound,
        "auid": f"aflow:{number:016x}",
        "aurl": f"aflowlib.duke.edu:AFLOWDATA/ICSD_WEB/TRI/{compound}_ICSD_{number}",
        "catalog": "ICSD",
        "species": symbols,
        "composition": counts.tolist(),
        "geometry": [*lattice.abc, *lattice.angles],
        "positions_fractional": crystal.frac_coords[order].tolist(),
        "spacegroup_relax": 1,
        "agl_thermal_conductivity_300K": 1.0 + number,
        **{name: 10.0 + k + number for k, name in enumerate(PROPERTIES)},
    } | changes


def as_text(item: dict[str, object]) -> dict[str, object]:
    """The same entry as AFLUX gave it in the past: all text."""

    def text(value: object) -> object:
        if isinstance(value, list):
            return (";" if value and isinstance(value[0], list) else ",").join(str(text(part)) for part in value)
        return None if value is None else str(value)

    return {key: text(value) for key, value in item.items()}


def numbered(items: list, first: int, total: int) -> dict[str, object]:
    return {f"{first + k} of {total}": item for k, item in enumerate(items)}


class Aflux:
    """Pages in the documented form; `fault` may spoil an answer, told the number of the page."""

    def __init__(self, items: list) -> None:
        self.items = items
        self.form = "object"
        self.at_most = PAGE_SIZE
        self.seen: Counter[int] = Counter()
        self.summons: list[str] = []
        self.agents: set[str] = set()
        self.fault: Callable[[int, BaseHTTPRequestHandler], bytes | None] = lambda page, handler: None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.agents.add(self.headers["User-Agent"])
                outer.summons.append(unquote(self.path.partition("?")[2]))
                (paging,) = re.findall(r"(?<![$\w])paging\((\d+),(\d+)\)", self.path)
                page, size = map(int, paging)
                outer.seen[page] += 1
                if (body := outer.fault(page, self)) is None:
                    answer(self, 200, json.dumps(outer.page(page, min(size, outer.at_most))).encode())
                elif body:
                    answer(self, 200, body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/API/aflux/"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def page(self, page: int, size: int) -> object:
        first = (page - 1) * size
        items = self.items[first : first + size]
        return items if self.form == "list" else numbered(items, first + 1, len(self.items))


def run(monkeypatch, capfd, *arguments: object) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["kappatune", "data", "fetch", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0), *capfd.readouterr()


# The table
