"""Time and memory of verifying silicon and magnesium oxide at standard quality, step by step.

    python -m studies.speed.verify [--calculator sevennet | --calculator WEIGHTS.nqx]

Each crystal in a fresh process and an empty folder, one thread for the potential, phono3py on all cores that
RAYON_NUM_THREADS allows. Processor time is given beside wall time: on a busy machine only that is reproducible.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from pathlib import Path
from time import perf_counter, process_time
from typing import Annotated, Any

import typer
from ase.build import bulk

from studies.store import save_result

CRYSTALS = {"Si": ("Si", "diamond", 5.43), "MgO": ("MgO", "rocksalt", 4.21)}
GOAL_WALL_S = {"sevennet": 120.0}
"""Goal for the wall time on two cores, s; 480 for any other potential."""


def main(
    calculator: Annotated[str, typer.Option(help="Potential: a name, or the weights of Nequix.")] = "sevennet",
) -> None:
    """Time the verification of two crystals: minutes."""
    spawn = multiprocessing.get_context("spawn")
    crystals = {}
    for name in CRYSTALS:
        with spawn.Pool(1) as pool:
            crystals[name] = pool.apply(_measured, (name, calculator))
    save_result(
        f"verify_speed_{Path(calculator).stem}",
        {"threads_of_phono3py": os.environ.get("RAYON_NUM_THREADS", str(os.cpu_count())), "crystals": crystals}
        | {"asked_wall_s": GOAL_WALL_S.get(calculator, 480.0), "asked_memory_gb": 3.0, "asked_own_share": 0.1},
    )


def _measured(name: str, calculator: str) -> dict[str, Any]:
    from kappatune.structures import Crystal
    from kappatune.verification import VerifierSpec, VerifySettings, iter_verifications

    with tempfile.TemporaryDirectory() as out:
        spec = VerifierSpec(calculator, VerifySettings.of("standard"), Path(out))
        wall, processor = perf_counter(), process_time()
        (row,) = iter_verifications([Crystal.from_ase(bulk(*CRYSTALS[name]), id=name)], spec)
        wall, processor = perf_counter() - wall, process_time() - processor
    total = row.seconds["total"]
    return {
        "outcome": row.outcome,
        "kappa_bte_w_mk": row.kappa_bte_w_mk,
        "n_forces": row.n_forces,
        "mesh": row.mesh,
        "wall_with_loading_s": wall,
        "processor_with_loading_s": processor,
        "peak_memory_gb": row.peak_memory_gb,
        "seconds": row.seconds,
        "own_share": row.seconds["own"] / total,
        "phono3py_share": row.seconds["phono3py"] / total,
    }


if __name__ == "__main__":
    typer.run(main)
