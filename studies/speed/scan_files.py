"""How much longer a scan of CIF files takes than one of the same crystals from Parquet.

    python -m studies.speed.scan_files [--crystals 10000] [--repeats 3]

Crystals of the shipped AGL prototypes, strained a little at each repetition so that no two are equal, written by ASE as
one CIF each and as one table. `kappatune screen` with `fast` and the default number of workers, files and table in
turn; medians of wall time and of the processor time of all processes. The start-up is a scan of one crystal.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

import ase.io
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer
from ase import Atoms

from kappatune.storage import ASSETS
from kappatune.structures import Crystal, element_symbol, read_crystals
from studies.speed.weights import shipped_weights
from studies.store import save_result

LARGEST_STRAIN = 0.02
_CLI = [sys.executable, "-c", "from kappatune.cli import main; main()"]


class Run(NamedTuple):
    """One scan: seconds of wall time, and of processor time of all its processes together."""

    wall: float
    processor: float


def main(crystals: int = 10_000, repeats: int = 3) -> None:
    """Scan the same crystals from files and from a table: a few minutes."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        sources = {"files": work / "cifs", "parquet": work / "table.parquet", "start_up": work / "one.parquet"}
        write_files(sources["files"], strained(crystals))
        write_table(sources["parquet"], strained(crystals))
        write_table(sources["start_up"], strained(1))
        runs: dict[str, list[Run]] = {source: [] for source in sources}
        for k in range(repeats):
            for source, path in sources.items():
                runs[source].append(screen(path, work / f"{source}-{k}"))
        n_atoms = [crystal.n_atoms for crystal in strained(crystals)]
    seconds = {
        source: {
            "wall_s": round(median(run.wall for run in of_source), 2),
            "processor_s": round(median(run.processor for run in of_source), 2),
        }
        for source, of_source in runs.items()
    }
    save_result(
        "scan_files",
        {
            "weights_sha256": shipped_weights(),
            "n_crystals": crystals,
            "mean_atoms": round(float(np.mean(n_atoms)), 1),
            "repeats": repeats,
            "workers": os.cpu_count(),
            "seconds": seconds,
            "files_over_parquet": {
                clock: {
                    "start_up_included": round(seconds["files"][clock] / seconds["parquet"][clock], 3),
                    "start_up_excluded": round(
                        (seconds["files"][clock] - seconds["start_up"][clock])
                        / (seconds["parquet"][clock] - seconds["start_up"][clock]),
                        3,
                    ),
                }
                for clock in seconds["files"]
            },
        },
    )


def strained(n: int) -> Iterator[Crystal]:
    """The shipped prototypes that have a value, repeated as often as needed, each repetition under another strain."""
    tables = sorted((ASSETS / "prototypes" / "agl").glob("*.parquet"))
    found = [entry for entry in read_crystals(tables) if isinstance(entry, Crystal)]
    rng = np.random.default_rng(0)
    for number, crystal in enumerate(islice(cycle(found), n)):
        strain = 1 + rng.uniform(0, LARGEST_STRAIN)
        yield Crystal(crystal.lattice * strain, crystal.numbers, crystal.frac_coords, id=f"c{number:06d}")


def write_files(folder: Path, crystals: Iterator[Crystal]) -> None:
    """One CIF per crystal."""
    folder.mkdir()
    for crystal in crystals:
        atoms = Atoms(crystal.numbers, cell=crystal.lattice, scaled_positions=crystal.frac_coords, pbc=True)
        ase.io.write(folder / f"{crystal.id}.cif", atoms, format="cif")


def write_table(path: Path, crystals: Iterator[Crystal]) -> None:
    """One table of all crystals."""
    rows = [
        {
            "id": crystal.id,
            "species": [element_symbol(z) for z in crystal.numbers.tolist()],
            "lattice": crystal.lattice.tolist(),
            "frac_coords": crystal.frac_coords.tolist(),
        }
        for crystal in crystals
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)


def screen(source: Path, out: Path) -> Run:
    """Scan one source with the command."""
    command = [*_CLI, "screen", str(source), "--out", str(out), "--model", "fast"]
    start = perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 3):
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return Run(perf_counter() - start, usage.ru_utime + usage.ru_stime)


if __name__ == "__main__":
    typer.run(main)
