"""How well, and how fast, libraries and kappatune tell molecules, chains, layers and the rest apart.

    python -m studies.structures.dimensionality [--data FOLDER]

Crystals of known dimension (`known_crystals.csv`) are put to ASE's scoring by covalent radii, to pymatgen's
`get_dimensionality_larsen` with its ways of finding bonds, and to `kappatune.structures.dimensionality`. Where several
dimensions are named, the highest counts. With the research tables, labelled crystals are counted by dimension.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from time import process_time
from typing import Any

import numpy as np
import typer
from ase.geometry.dimensionality import analyze_dimensionality
from pymatgen.analysis.dimensionality import get_dimensionality_larsen
from pymatgen.analysis.local_env import CrystalNN, EconNN, JmolNN, MinimumDistanceNN, MinimumOKeeffeNN, NearNeighbors
from pymatgen.core import Structure
from pymatgen.core.graphs import StructureGraph

from kappatune.model.graphs import build_graphs
from kappatune.storage import SHIPPED_TABLES
from kappatune.structures import Crystal, read_table
from kappatune.structures.dimensionality import dimension
from studies.research_data import AFLOW, PHONIX, DataOption, research_folder
from studies.store import save_result
from studies.structures.known_crystals import known_crystals

TABLES = {"AFLOW": AFLOW, "Phonix": PHONIX, "L96": "l96.parquet", "HH143": "hh143.parquet"}
CUTOFF_ANGSTROM = 5.0


def main(data: DataOption = None) -> None:
    """Compare ways to find the dimension of crystals: a minute."""
    warnings.simplefilter("ignore")
    tables = {name: path for name, path in SHIPPED_TABLES.items() if path.exists()}
    if data:
        tables |= {name: research_folder(data) / file for name, file in TABLES.items()}
    methods: dict[str, Callable[[Structure], int]] = {
        "kappatune": lambda structure: dimension(Crystal.from_pymatgen(structure)),
        "ASE, scored by covalent radii": _by_ase,
        **{
            f"pymatgen, {type(near).__name__}": _by_pymatgen(near)
            for near in (JmolNN(), MinimumDistanceNN(), MinimumOKeeffeNN(), EconNN(), CrystalNN())
        },
    }
    save_result(
        "dimensionality",
        {
            "n": len(known_crystals()),
            "methods": {name: _quality(method) for name, method in methods.items()},
            "labelled": {
                name: _counts([row.crystal for row in read_table(path).rows]) for name, path in tables.items()
            },
        },
    )


def _quality(method: Callable[[Structure], int]) -> dict[str, Any]:
    start = process_time()
    found = {name: method(structure) for name, (_, structure) in known_crystals().items()}
    seconds = process_time() - start
    wrong = {name: found[name] for name, (right, _) in known_crystals().items() if found[name] != right}
    return {"n_right": len(found) - len(wrong), "wrong": wrong, "ms_per_crystal": 1000 * seconds / len(found)}


def _by_ase(structure: Structure) -> int:
    best = analyze_dimensionality(structure.to_ase_atoms(), method="RDA")[0]
    return max(int(digit) for digit in best.dimtype if digit.isdigit())


def _by_pymatgen(near: NearNeighbors) -> Callable[[Structure], int]:
    return lambda structure: int(get_dimensionality_larsen(StructureGraph.from_local_env_strategy(structure, near)))


def _counts(crystals: list[Crystal]) -> dict[str, int]:
    """Crystals by dimension."""
    return {
        str(k): n for k, n in sorted(Counter(np.asarray(build_graphs(crystals, CUTOFF_ANGSTROM).dimension)).items())
    }


if __name__ == "__main__":
    typer.run(main)
