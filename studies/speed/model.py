"""Speed of graphs, training and prediction, compared with the public research code.

    python -m studies.speed.model --data FOLDER

One thread, process time, medians. The public code was timed on a machine whose 1024x1024 float32 product ran at 160
GFLOP/s; ratios are given raw and scaled by the speed of this machine.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
import torch
import typer

from kappatune.model.graphs import build_graphs
from kappatune.model.heads import KappaNetwork, TargetScaler
from kappatune.model.hosts import load_host
from kappatune.model.kappa_model import KappaModel
from kappatune.structures import Crystal, read_table
from kappatune.training.recipe import Stage, Validation
from kappatune.training.stage import StageData, train_stage
from studies.machine import machine_gflops
from studies.research_data import DataOption, research_folder
from studies.speed.weights import shipped_weights
from studies.store import save_result

PUBLIC_TRAIN_MS = 4.27
PUBLIC_SCAN_PER_S = 10.7
PUBLIC_GFLOPS = 160.0
BATCH_SIZES = (8, 32, 128, 512)
MATGL_HOST = Path("megnet") / "MEGNet-MP-2018.6.1-Eform.safetensors"


def main(data: DataOption = None, repeats: int = 3) -> None:
    """Time graphs, training and prediction on AFLOW's crystals: minutes."""
    torch.set_num_threads(1)
    folder = research_folder(data)
    host = load_host(folder / MATGL_HOST)
    rows = read_table(folder / "aflow_agl.parquet").rows
    rows = [row for row in rows if host.supported_elements.issuperset(row.crystal.numbers.tolist())]
    crystals = [row.crystal for row in rows]
    gflops = machine_gflops()
    scale = PUBLIC_GFLOPS / gflops

    graph_s = _median(lambda: build_graphs(crystals, 4.0), repeats)
    train = {size: 1e3 * _train_seconds(folder, rows, size, repeats) for size in BATCH_SIZES}
    model = KappaModel.load()
    predict_s = _median(lambda: _consume(model, crystals), repeats)
    best = min(train, key=lambda size: train[size])
    save_result(
        "speed",
        {
            "weights_sha256": shipped_weights(),
            "machine_gflops": round(gflops, 1),
            "n_crystals": len(crystals),
            "mean_atoms": float(np.mean([c.n_atoms for c in crystals])),
            "repeats": repeats,
            "graphs_per_s_one_core": len(crystals) / graph_s,
            "train_ms_per_crystal": train,
            "train_ratio_batch_8": {"raw": PUBLIC_TRAIN_MS / train[8], "scaled": PUBLIC_TRAIN_MS / train[8] * scale},
            "train_ratio_best": {
                "batch_size": best,
                "raw": PUBLIC_TRAIN_MS / train[best],
                "scaled": PUBLIC_TRAIN_MS / train[best] * scale,
            },
            "predict_crystals_per_s_one_core": len(crystals) / predict_s,
            "predict_ratio": {
                "raw": len(crystals) / predict_s / PUBLIC_SCAN_PER_S,
                "scaled": len(crystals) / predict_s / PUBLIC_SCAN_PER_S * scale,
            },
            **_processes(crystals, repeats),
        },
    )


def _median(work: Callable[[], Any], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = process_time()
        work()
        times.append(process_time() - start)
    return median(times)


def _train_seconds(folder: Path, rows: list[Any], batch_size: int, repeats: int) -> float:
    """Process time per crystal of one epoch, training on 80 % and validating on 20 %, as the public code does."""
    kappa = np.array([row.kappa for row in rows])
    data = StageData(
        graphs=build_graphs([row.crystal for row in rows], 4.0),
        kappa=kappa,
        properties=np.full((len(rows), 4), np.nan),
        formulas=[row.crystal.formula_key for row in rows],
    )
    stage = Stage(
        name="speed", fidelity="agl", loss="mape", epochs=1, batch_size=batch_size, validation=Validation(fraction=0.2)
    )
    times = []
    for seed in range(repeats):
        network = KappaNetwork(
            load_host(folder / MATGL_HOST),
            level="readout",
            widths=(450, 350, 350),
            composition="direct",
            scaler=TargetScaler.fit(kappa, "log10_1p"),
            fidelities=["agl"],
        )
        with tempfile.TemporaryDirectory() as work:
            start = process_time()
            train_stage(network, stage, "agl", data, seed=seed, folder=Path(work) / "stage")
            times.append(process_time() - start)
    return median(times) / len(rows)


def _consume(model: KappaModel, crystals: list[Crystal]) -> None:
    for _ in model.predict_stream(crystals):
        pass


def _processes(crystals: list[Crystal], repeats: int) -> dict[str, float]:
    """Times at the command line: import, a first prediction, and 10,000 crystals with their peak memory."""
    cli = [sys.executable, "-c", "from kappatune.cli import main; main()", "predict"]
    with tempfile.TemporaryDirectory() as work:
        one, many = Path(work) / "one.cif", Path(work) / "many.extxyz"
        crystals[0].to_pymatgen().to(filename=str(one))
        with many.open("w") as out:
            for k in range(10_000):
                out.write(_frame(crystals[k % len(crystals)]))
        imports = _wall([sys.executable, "-c", "import kappatune"], 2 * repeats + 1)
        bare = _wall([sys.executable, "-c", "pass"], 2 * repeats + 1)
        cold = _wall([*cli, str(one)], 2 * repeats + 1)
        start = perf_counter()
        subprocess.run([*cli, str(many), "--csv"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        stream_s = perf_counter() - start
    peak_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {
        "import_s": imports,
        "bare_python_s": bare,
        "cold_predict_one_cif_s": cold,
        "predict_10000_extxyz_s": stream_s,
        "predict_10000_peak_mb": peak_kib / 1024,
    }


def _wall(command: list[str], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        times.append(perf_counter() - start)
    return median(times)


def _frame(crystal: Crystal) -> str:
    from kappatune.structures.crystal import element_symbol

    lattice = " ".join(f"{x:.8f}" for x in crystal.lattice.ravel())
    atoms = "".join(
        f"{element_symbol(z)} {x:.8f} {y:.8f} {w:.8f}\n"
        for z, (x, y, w) in zip(crystal.numbers.tolist(), crystal.cartesian, strict=True)
    )
    return f'{crystal.n_atoms}\nLattice="{lattice}" Properties=species:S:1:pos:R:3 pbc="T T T"\n{atoms}'


if __name__ == "__main__":
    typer.run(main)
