"""Where benchmarks get data and put results."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
import typer

FOLDER = Path(__file__).parent / "results"


def data_folder(given: Path | None) -> Path:
    """The folder of the research tables, or a plain word that it is missing."""
    folder = given or (Path(os.environ["KAPPATUNE_DATA"]) if os.environ.get("KAPPATUNE_DATA") else None)
    if folder is None or not (folder / "aflow_agl.parquet").is_file():
        raise typer.BadParameter("needs the research tables: give --data FOLDER or set KAPPATUNE_DATA")
    return folder


def machine_speed() -> float:
    """GFLOP/s of a 1024x1024 float32 product on one thread, median of 15: the scale for other machines."""
    a = torch.randn(1024, 1024)
    times = []
    for _ in range(15):
        start = perf_counter()
        a @ a
        times.append(perf_counter() - start)
    return 2 * 1024**3 / sorted(times)[7] / 1e9


def store(name: str, result: dict[str, Any]) -> None:
    """Write a result with date, versions and machine speed."""
    FOLDER.mkdir(exist_ok=True)
    record = {
        "schema_version": 1,
        "benchmark": name,
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {"python": platform.python_version(), **{n: version(n) for n in ("kappatune", "torch", "numpy")}},
        "machine_gflops": round(machine_speed(), 1),
        **result,
    }
    (FOLDER / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    typer.echo(json.dumps(record, indent=1))
