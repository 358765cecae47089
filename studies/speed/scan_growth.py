"""Time per crystal and memory of scans of 10^3 to 10^5 crystals.

    python -m studies.speed.scan_growth --data FOLDER

Two workers, the `fast` model, crystals of the pool in random order and repeated; the start-up time, which is the wall
time of a scan of one crystal, is subtracted. Medians, except for the largest scan, which runs once.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import typer

from studies.research_data import PHONONDB_POOL, DataOption, research_folder
from studies.speed.scan import median_run, repeated
from studies.speed.weights import shipped_weights
from studies.store import save_result

SIZES = (1_000, 10_000, 100_000)


def main(data: DataOption = None, repeats: int = 3) -> None:
    """Time scans of three sizes: ten minutes."""
    pool = research_folder(data) / PHONONDB_POOL
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        start_up = median_run([repeated(pool, 1, work)], work, repeats)
        runs = {n: median_run([repeated(pool, n, work)], work, 1 if n == SIZES[-1] else repeats) for n in SIZES}
    per_crystal = {n: 1e3 * (run.seconds - start_up.seconds) / n for n, run in runs.items()}
    save_result(
        "scan_growth",
        {
            "weights_sha256": shipped_weights(),
            "repeats": repeats,
            "start_up_s": start_up.seconds,
            "ms_per_crystal": per_crystal,
            "largest_over_smallest": max(per_crystal.values()) / min(per_crystal.values()),
            "peak_mb": {n: run.peak_mb for n, run in runs.items()},
        },
    )


if __name__ == "__main__":
    typer.run(main)
