"""Accuracy of the shipped data set of prototypes, compared with AFLOW where formula and space group are the same.

    python -m studies.agl.prototypes --data FOLDER [--parts FOLDER]

Structures are matched by reduced formula, space group and number of atoms in the primitive cell; where several crystals
of AFLOW match, the median of their values is the reference.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow.parquet as pq
import spglib
import typer
from scipy.stats import spearmanr

from kappatune.data.prototypes.dataset import summarise
from kappatune.storage import SHIPPED_TABLES
from kappatune.structures import Crystal, LabelledCrystal, read_table
from studies.figures import draw_kappa_parity
from studies.research_data import AFLOW, DataOption, research_folder
from studies.store import save_result

SYMPREC = 1e-2
"""Tolerance of the symmetry search when crystals are matched, Å: AFLOW's cells are not idealised."""


def main(
    data: DataOption = None,
    parts: Annotated[Path, typer.Option(help="Folder of the data set.")] = SHIPPED_TABLES["shipped:prototypes"],
) -> None:
    """Compare the data set of prototypes with AFLOW: a minute."""
    aflow = read_table(research_folder(data) / AFLOW).rows
    ours = read_table(parts).rows
    columns = pq.read_table(parts, columns=["prototype", "energy_above_best_ev_per_atom", "n_competing"]).to_pydict()
    known: dict[tuple[str, int, int], list[LabelledCrystal]] = defaultdict(list)
    formulas = {row.crystal.formula_key for row in ours}
    for row in aflow:
        if row.crystal.formula_key in formulas:
            known[_kind(row.crystal)].append(row)
    shared = [(row, known[kind]) for row in ours if (kind := _kind(row.crystal)) in known]
    kappa = _compared([row.kappa for row, _ in shared], [[t.kappa for t in theirs] for _, theirs in shared])
    above = np.array(columns["energy_above_best_ev_per_atom"])
    save_result(
        "prototypes",
        {
            **asdict(summarise(parts)),
            "n_bytes": sum(path.stat().st_size for path in parts.glob("part-*.parquet")),
            "n_elements": len({z for row in ours for z in row.crystal.numbers.tolist()}),
            "n_prototypes": len(set(columns["prototype"])),
            "largest_prototypes": dict(Counter(columns["prototype"]).most_common(10)),
            "n_formulas": len(formulas),
            "n_atoms_max": max(row.crystal.n_atoms for row in ours),
            "share_above_0.1_ev": float((above > 0.1).mean()),
            "share_lowest": float((above == 0.0).mean()),
            "median_competing": float(np.median(columns["n_competing"])),
            "aflow_formulas_in_common": len({row.crystal.formula_key for row in aflow} & formulas),
            "against_aflow": kappa,
            "theta_against_aflow": _compared(
                [row.properties["debye_temperature_k"] for row, _ in shared],
                [[t.properties["agl_debye"] for t in theirs] for _, theirs in shared],
            ),
            "bulk_against_aflow": _compared(
                [row.properties["bulk_modulus_gpa"] for row, _ in shared],
                [[t.properties["agl_bulk_modulus_static_300K"] for t in theirs] for _, theirs in shared],
            ),
        },
    )
    medians = [float(np.median([t.kappa for t in theirs])) for _, theirs in shared]
    draw_kappa_parity("prototypes_aflow", {"our data set": (medians, [row.kappa for row, _ in shared])}, "AFLOW AGL")


def _kind(crystal: Crystal) -> tuple[str, int, int]:
    """Formula, space group, and atoms in the primitive cell."""
    cell = (crystal.lattice, crystal.frac_coords, crystal.numbers)
    dataset = spglib.get_symmetry_dataset(cell, symprec=SYMPREC)
    primitive = spglib.find_primitive(cell, symprec=SYMPREC)
    number = 0 if dataset is None else int(dataset.number)
    return crystal.formula_key, number, crystal.n_atoms if primitive is None else len(primitive[2])


def _compared(ours: list[float], theirs: list[list[float]]) -> dict[str, Any]:
    mine, medians = np.array(ours), np.array([np.median(values) for values in theirs])
    error = np.log(mine / medians)
    return {
        "n": len(ours),
        "spearman": float(spearmanr(mine, medians)[0]),
        "median_factor": float(np.exp(np.median(np.abs(error)))),
        "median_ln": float(np.median(error)),
        "mean_abs_ln": float(np.abs(error).mean()),
    }


if __name__ == "__main__":
    typer.run(main)
