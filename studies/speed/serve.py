"""Response times of `kappatune serve` to one client and to many, and the growth of its memory.

    python -m studies.speed.serve

Needs no table. 100 CIFs of ten atoms in one request; 32 clients for a minute, each sending one crystal at a time; pages
of a made-up scan of a million rows; the size of the web page. Client and server share the machine; Linux only (memory
and processor times are read from /proc). `--seconds` and `--scan-rows` make it shorter.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated, Any

import httpx
import numpy as np
import typer
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter

from kappatune.web.app import page_files
from studies.speed.scan_parts import ROWS_PER_PART, write_scan
from studies.speed.serving import Server, serving
from studies.speed.usage import memory_mb, processor_seconds
from studies.speed.weights import shipped_weights
from studies.store import save_result

N_FILES = 100
N_CLIENTS = 32
REPEATS = 5
SEED = 0
_PREDICT = "/api/v1/predict"


def main(
    seconds: Annotated[float, typer.Option(help="How long the clients send requests.")] = 60.0,
    scan_rows: Annotated[int, typer.Option(help="Rows of the made-up scan.")] = 1_000_000,
    model: str = "accurate",
) -> None:
    """Time the server with one client, 32 clients and a scan of a million rows: minutes."""
    load_before = os.getloadavg()[0]
    cifs = ten_atom_cifs(N_FILES)
    with tempfile.TemporaryDirectory() as name:
        start = perf_counter()
        scan = write_scan(Path(name) / "scan", scan_rows)
        typer.echo(f"made a scan of {scan_rows} rows in {perf_counter() - start:.0f} s")
        with serving("--model", model) as server:
            batch = one_request(server, cifs)
            clients = asyncio.run(many_clients(server, cifs, seconds))
        start = perf_counter()
        with serving("--model", model, "--scan", str(scan)) as server:
            pages = {"start_up_s": perf_counter() - start, **scan_pages(server, scan_rows)}
    files = page_files()
    save_result(
        "serve",
        {
            "weights_sha256": shipped_weights(),
            "model": model,
            "seed": SEED,
            "n_cores": os.cpu_count(),
            "load_average": {"before": round(load_before, 2), "after": round(os.getloadavg()[0], 2)},
            "one_request": batch,
            "clients": clients,
            "scan": {"n_rows": scan_rows, **pages},
            "page_bytes": {
                "all": sum(len(content) for path, (content, _) in files.items() if "/examples/" not in path),
                "viewer": sum(len(content) for path, (content, _) in files.items() if path.endswith("3Dmol-min.js")),
            },
        },
    )


def ten_atom_cifs(n: int) -> list[bytes]:
    """CIFs of ten atoms without symmetry, no two alike: rocksalt pieces, displaced at random."""
    rng = np.random.default_rng(SEED)
    places = np.array([(i / 5, j / 2, (i + j) % 2 / 2) for i in range(5) for j in range(2)])
    cifs = []
    for _ in range(n):
        lattice = Lattice.orthorhombic(*(np.array([10.5, 4.2, 4.2]) * rng.uniform(0.97, 1.03, 3)))
        structure = Structure(lattice, ["Mg", "O"] * 5, places + rng.normal(0, 0.004, places.shape))
        cifs.append(str(CifWriter(structure)).encode())
    return cifs


def one_request(server: Server, cifs: list[bytes]) -> dict[str, Any]:
    """Wall time and processor time of one request with all files."""
    files = [("files", (f"{k}.cif", cif)) for k, cif in enumerate(cifs)]
    times = []
    busy = processor_seconds(server.pid)
    with httpx.Client(base_url=server.url, timeout=300) as http:
        for _ in range(REPEATS + 1):
            start = perf_counter()
            rows = http.post(_PREDICT, files=files).raise_for_status().json()["rows"]
            times.append(perf_counter() - start)
            if len(rows) != len(cifs) or any(row["kappa_w_mk"] is None for row in rows):
                raise RuntimeError("a crystal was not answered")
    spent = (processor_seconds(server.pid) - busy) / len(times)
    return {
        "n_files": len(cifs),
        "n_atoms": 10,
        "first_s": times[0],
        "median_s": median(times[1:]),
        "processor_s": spent,
        "repeats": REPEATS,
    }


async def many_clients(server: Server, cifs: list[bytes], seconds: float) -> dict[str, Any]:
    """Latencies of single crystals while every client sends its next request as soon as it has an answer."""
    took: list[float] = []
    errors: list[str] = []
    memory = [memory_mb(server.pid)]
    before = httpx.get(f"{server.url}/healthz").json()  # noqa: ASYNC210 - nothing else runs yet
    busy = processor_seconds(server.pid)
    begin = perf_counter()

    async def ask(http: httpx.AsyncClient, client: int) -> None:
        k = client
        while perf_counter() - begin < seconds:
            start = perf_counter()
            try:
                answer = await http.post(_PREDICT, files=[("files", (f"{k}.cif", cifs[k % len(cifs)]))])
                if answer.status_code != 200 or answer.json()["rows"][0]["kappa_w_mk"] is None:
                    errors.append(answer.text[:200])
            except httpx.HTTPError as error:
                errors.append(repr(error))
            took.append(perf_counter() - start)
            k += N_CLIENTS

    async def watch() -> None:
        while perf_counter() - begin < seconds:
            await asyncio.sleep(min(5.0, seconds / 4))
            memory.append(memory_mb(server.pid))

    async with httpx.AsyncClient(base_url=server.url, timeout=120) as http:
        await asyncio.gather(watch(), *(ask(http, client) for client in range(N_CLIENTS)))
    spent = processor_seconds(server.pid) - busy
    wall = perf_counter() - begin
    after = httpx.get(f"{server.url}/healthz").json()  # noqa: ASYNC210 - nothing else runs yet
    p50, p95, p99 = np.percentile(took, [50, 95, 99])
    settled = memory[len(memory) // 3]
    return {
        "n_clients": N_CLIENTS,
        "seconds": wall,
        "requests": len(took),
        "errors": len(errors),
        "first_error": errors[0] if errors else None,
        "per_s": len(took) / wall,
        "p50_s": p50,
        "p95_s": p95,
        "p99_s": p99,
        "crystals_per_batch": (after["crystals"] - before["crystals"]) / max(after["batches"] - before["batches"], 1),
        "processors": spent / wall,
        "memory_mb": {"first": memory[0], "settled": settled, "last": memory[-1], "growth": memory[-1] - settled},
    }


def scan_pages(server: Server, n_rows: int) -> dict[str, Any]:
    """Wall times of the requests that the web page makes for a scan of `n_rows`, medians."""
    queries = {
        "first_page": "rows?limit=50",
        "page_of_one_element": "rows?limit=50&elements=Te",
        "page_of_two_elements": "rows?limit=50&elements=Pb&elements=Te",
        "last_page": f"rows?limit=50&offset={n_rows * 9 // 10}&order=gruneisen",
        "page_by_name": "rows?limit=50&find=TeO2",
        "summary": "summary",
        "summary_of_one_element": "summary?elements=Te",
        "points": "points?x=mean_mass_u",
        "one_crystal": f"crystal?part={min(17, (n_rows - 1) // ROWS_PER_PART)}&row=3",
    }
    seconds = {}
    with httpx.Client(base_url=server.url, timeout=60) as http:
        for name, query in queries.items():
            times = []
            for _ in range(REPEATS):
                start = perf_counter()
                http.get(f"/api/v1/scan/{query}").raise_for_status()
                times.append(perf_counter() - start)
            seconds[name] = median(times)
    return {"seconds": seconds, "memory_mb": memory_mb(server.pid)}


if __name__ == "__main__":
    typer.run(main)
