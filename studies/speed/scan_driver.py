"""How many crystals per second the driver of a scan can pass to workers, and how much disk their rows take.

    python -m studies.speed.scan_driver --data FOLDER

Process time to read the pool from Parquet and to serialise its units for other processes; the size of the parts of a
scan of its first thousand crystals.
"""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path
from statistics import median
from time import process_time

import typer

from kappatune.screening import screen
from kappatune.screening.layout import PARTS
from kappatune.screening.sources import units
from studies.research_data import PHONONDB_POOL, DataOption, research_folder
from studies.speed.scan import repeated
from studies.store import save_result

N_SCANNED = 1_000


def main(data: DataOption = None, repeats: int = 3) -> None:
    """Time the reading of the pool, and measure the size of a scan: a minute."""
    pool = research_folder(data) / PHONONDB_POOL
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        rates = [_passed_on_per_s(pool, work) for _ in range(repeats)]
        screen(repeated(pool, N_SCANNED, work), work / "scan")
        size = sum(part.stat().st_size for part in (work / "scan").glob(PARTS))
    save_result(
        "scan_driver",
        {"repeats": repeats, "passed_on_per_s": median(rates), "bytes_per_crystal": size / N_SCANNED},
    )


def _passed_on_per_s(pool: Path, work: Path) -> float:
    start, n = process_time(), 0
    for unit in units([str(pool)], work):
        pickle.dumps(unit)
        n += len(unit.items)
    return n / (process_time() - start)


if __name__ == "__main__":
    typer.run(main)
