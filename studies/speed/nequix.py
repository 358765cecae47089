"""One force calculation with our Nequix network beside the torch backend of its authors' package, in one run.

    python -m studies.speed.nequix PATH/nequix-mp-1-pft.nqx

Needs the package `nequix` with JAX, which converts the weights for its torch backend. Magnesium oxide, 64 atoms, moved
by some hundredths of an ångström; energy, forces and stress; one thread, process time, alternating, medians.
"""

from __future__ import annotations

import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import process_time
from typing import Annotated

import numpy as np
import torch
import typer
from ase.build import bulk

from kappatune.potentials import load_potential
from studies.store import save_result

N_REPEATS = 7


def main(weights: Annotated[Path, typer.Argument(help="The weights, a .nqx file.")]) -> None:
    """Time both, compare what they give, and store the result."""
    from nequix.calculator import NequixCalculator

    torch.set_num_threads(1)
    ours = load_potential(str(weights))
    with tempfile.TemporaryDirectory() as folder:  # the package writes the converted weights beside the given ones
        copy = shutil.copy(weights, folder)
        package = NequixCalculator(model_path=copy, backend="torch", use_kernel=False)
    times: dict[str, list[float]] = {"ours": [], "package": []}
    largest = 0.0
    for seed in range(N_REPEATS + 1):  # the first round warms up
        atoms = bulk("MgO", "rocksalt", a=4.2, cubic=True) * (2, 2, 2)
        atoms.rattle(0.03, seed=seed)
        start = process_time()
        (found,) = ours.evaluate([atoms])
        middle = process_time()
        atoms.calc = package
        forces = atoms.get_forces()
        end = process_time()
        largest = max(largest, float(np.abs(found.forces - forces).max()))
        if seed:
            times["ours"].append(middle - start)
            times["package"].append(end - middle)
    medians = {name: median(values) for name, values in times.items()}
    save_result(
        "nequix_speed",
        {
            "nequix": version("nequix"),
            "n_atoms": 64,
            "seconds": {name: round(value, 3) for name, value in medians.items()},
            "ratio": round(medians["package"] / medians["ours"], 2),
            "largest_difference_of_a_force_ev_per_angstrom": largest,
        },
    )


if __name__ == "__main__":
    typer.run(main)
