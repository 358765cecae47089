"""Speed of a scan, its steps, and its agreement with the published scan.

    python -m studies.speed.scan --data FOLDER

Wall time of `kappatune screen` with the `fast` model, medians; Linux only (memory is read from /proc). The start-up
time is the wall time of a scan of one crystal. The public code was timed on a machine whose 1024x1024 float32 product
ran at 160 GFLOP/s; ratios are given raw and scaled by the speed of this machine.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import typer
from scipy.stats import spearmanr

from kappatune.model.kappa_model import KappaModel
from kappatune.model.label_index import LabelIndex
from kappatune.screening.rows import SCHEMA, scan_rows
from kappatune.screening.sources import parse, units
from kappatune.structures import Crystal
from studies.machine import machine_gflops
from studies.research_data import AFLOW, PHONONDB_POOL, DataOption, research_folder
from studies.speed.model import PUBLIC_GFLOPS, PUBLIC_SCAN_PER_S
from studies.speed.usage import memory_mb
from studies.speed.weights import shipped_weights
from studies.store import save_result

LOWEST = 50
_CLI = [sys.executable, "-c", "from kappatune.cli import main; main()"]


class Run(NamedTuple):
    """One scan: wall time in seconds, and peak memory of all its processes together in MB."""

    seconds: float
    peak_mb: float


def main(data: DataOption = None, repeats: int = 3) -> None:
    """Time scans of the pool and compare them with the published scan: ten minutes."""
    folder = research_folder(data)
    pool, aflow = folder / PHONONDB_POOL, folder / AFLOW
    gflops = machine_gflops()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        start_up = median_run([repeated(pool, 1, work)], work, repeats)
        runs = {workers: median_run([pool], work, repeats, workers) for workers in (1, 2)}
        small = median_run([aflow], work, repeats)
        n_pool, n_aflow = pq.read_metadata(pool).num_rows, pq.read_metadata(aflow).num_rows
        one_start_up = median_run([repeated(pool, 1, work)], work, repeats, 1)
        per_s = n_aflow / (small.seconds - start_up.seconds)
        save_result(
            "scan",
            {
                "weights_sha256": shipped_weights(),
                "machine_gflops": round(gflops, 1),
                "model": KappaModel.load("fast").card.name,
                "repeats": repeats,
                "start_up_s": start_up.seconds,
                "pool": {"n_crystals": n_pool, **{f"{w}_workers_s": run.seconds for w, run in runs.items()}},
                "two_workers_over_one": {
                    "start_up_included": runs[1].seconds / runs[2].seconds,
                    "start_up_excluded": (runs[1].seconds - one_start_up.seconds)
                    / (runs[2].seconds - start_up.seconds),
                },
                "ten_atom_cells_per_s": per_s,
                "over_public_scan": {
                    "raw": per_s / PUBLIC_SCAN_PER_S,
                    "scaled": per_s / PUBLIC_SCAN_PER_S * PUBLIC_GFLOPS / gflops,
                },
                "seconds_of_one_worker": _where_time_goes(pool),
                "against_published_scan": _published(folder / "paraisite_scan.parquet", work),
            },
        )


def median_run(sources: list[Path], work: Path, repeats: int, workers: int = 2) -> Run:
    """Medians of some scans with `fast`."""
    runs = [_screen(sources, Path(tempfile.mkdtemp(dir=work)) / "scan", workers) for _ in range(repeats)]
    return Run(median(run.seconds for run in runs), median(run.peak_mb for run in runs))


def _screen(sources: Iterable[Path], out: Path, workers: int, model: str = "fast") -> Run:
    command = [*_CLI, "screen", *map(str, sources), "--out", str(out), "--workers", str(workers), "--model", model]
    start = perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, memory_mb(process.pid))
        sleep(0.05)
    seconds = perf_counter() - start
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return Run(seconds, peak)


def repeated(pool: Path, n: int, work: Path) -> Path:
    """A table of n crystals: those of the pool in random order, repeated as needed, each with its own id."""
    path = work / f"{n}.parquet"
    if path.exists():
        return path
    table = pq.read_table(pool)
    table = table.take(np.random.default_rng(0).permutation(len(table)))
    with pq.ParquetWriter(path, table.schema) as writer:
        for first in range(0, n, len(table)):
            part = table.slice(0, min(len(table), n - first))
            ids = pa.array([f"row-{first + k}" for k in range(len(part))])
            writer.write_table(part.set_column(part.schema.get_field_index("id"), "id", ids))
    return path


def _where_time_goes(pool: Path, n_units: int = 8) -> dict[str, float]:
    """Seconds that one worker spends in each step, over some units."""
    torch.set_num_threads(1)
    model = KappaModel.load("fast")
    labels = LabelIndex.read(model)
    seconds = dict.fromkeys(("parse", "graphs", "network", "rows", "write"), 0.0)
    with tempfile.TemporaryDirectory() as name:
        for k, unit in enumerate(islice(units([str(pool)], Path(name)), n_units)):
            times = [perf_counter()]
            entries = parse(unit)
            times.append(perf_counter())
            crystals = [e for e in entries if isinstance(e, Crystal) and model.supports(e)]
            graphs = model.build_graphs(crystals)
            times.append(perf_counter())
            model.member_outputs(graphs, "dft")
            times.append(perf_counter())
            rows = scan_rows(model, "dft", entries, labels)
            times.append(perf_counter())
            pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), Path(name) / f"{k}.parquet", compression="zstd")
            times.append(perf_counter())
            parsed, graph, network, all_rows, written = np.diff(times)
            steps = (parsed, graph, network, all_rows - graph - network, written)
            for step, spent in zip(seconds, steps, strict=True):
                seconds[step] += float(spent)
    return seconds


def _published(table: Path, work: Path) -> dict[str, Any]:
    """Rank correlation with the authors' realigned scan, and how many of the lowest are the same."""
    result: dict[str, Any] = {}
    for model in ("fast", "accurate"):
        out = work / f"published-{model}"
        _screen([table], out, 2, model)
        joined = duckdb.execute(
            f"SELECT kappa_w_mk, p.* FROM '{out}/part-*.parquet' s JOIN '{table}' p ON s.id = p.id "
            "WHERE kappa_w_mk IS NOT NULL ORDER BY s.id"
        ).fetchnumpy()
        ours = np.asarray(joined["kappa_w_mk"])
        result[model] = {"n_crystals": len(ours)}
        for name, label in (("Dataset1", "L96"), ("Dataset2", "HH143"), ("MIX", "MIX")):
            theirs = np.asarray(joined[f"pred_{name}_mean"])
            lowest = [set(np.argsort(values, kind="stable")[:LOWEST].tolist()) for values in (ours, theirs)]
            result[model][label] = {
                "spearman": float(spearmanr(ours, theirs).statistic),
                f"lowest_{LOWEST}_in_common": len(lowest[0] & lowest[1]),
            }
    return result


if __name__ == "__main__":
    typer.run(main)
