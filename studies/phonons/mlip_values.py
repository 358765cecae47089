"""Phonon values of crystals of many kinds, computed with a potential: the training table of an `mlip` rung.

    python -m studies.phonons.mlip_values --data FOLDER --calculator nequix [--work runs/mlip-values]

The crystals are compounds of the pool with at most six atoms, without hydrogen, whose formula is in no DFT set: of each
kind (anonymous formula and space group) up to eight, drawn with a seed, small and symmetric ones first. Every crystal
is stored in `--work` when it is done; the same command continues after a kill. The values are our own, the crystals
those of phonondb (CC BY 4.0). The result is the table `values.parquet` in `--work`, which `kappatune train` reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow.parquet as pq
import typer
from pymatgen.core import Composition

from kappatune.structures import Crystal, Rejection
from kappatune.structures.table import crystal_of_row
from kappatune.verification import VerifierSpec, VerifySettings, iter_verifications
from kappatune.verification.labels import add_labels
from kappatune.verification.standard_cell import standardise
from studies.research_data import PHONONDB_POOL, DataOption, research_folder
from studies.transfer.research_tables import read_research_tables

MAX_ATOMS = 6
N_PER_KIND = 8
SEED = 0
SETTINGS = VerifySettings.of("standard", wigner=True)


def main(
    data: DataOption = None,
    calculator: str = "nequix",
    work: Path = Path("runs/mlip-values"),
    limit: Annotated[int, typer.Option(min=1, help="Number of crystals.")] = 40,
) -> None:
    """Compute phonon values of crystals of many kinds: hours."""
    folder = research_folder(data)
    chosen = _chosen(folder)[:limit]
    spec = VerifierSpec(calculator, SETTINGS, work / "steps", model=None)
    for crystal, row in zip(chosen, iter_verifications(chosen, spec), strict=True):
        add_labels(work / "values.parquet", [(crystal, row)])
        seconds = row.seconds.get("total", 0)
        typer.echo(f"{row.id} {row.formula}: {row.outcome} {row.kappa_bte_w_mk} {seconds:.0f} s {row.reason or ''}")


def _chosen(folder: Path) -> list[Crystal]:
    """Some crystals of each kind, the cheapest first."""
    dft_formulas = read_research_tables(folder).dft_formulas
    kinds: dict[tuple[str, int], list[Crystal]] = {}
    cost: dict[str, float] = {}
    for crystal in _pool(folder / PHONONDB_POOL):
        composition = Composition(crystal.formula_key)
        if crystal.formula_key not in dft_formulas and len(composition) > 1 and "H" not in composition:
            standard = standardise(crystal, SETTINGS.symprec)
            kinds.setdefault((composition.anonymized_formula, standard.space_group), []).append(crystal)
            cost[crystal.id] = len(standard.primitive) ** 2 / standard.n_operations
    draw = np.random.default_rng(SEED)
    drawn = [crystals[k] for _, crystals in sorted(kinds.items()) for k in draw.permutation(len(crystals))[:N_PER_KIND]]
    return sorted(drawn, key=lambda crystal: cost[crystal.id])


def _pool(path: Path) -> Iterator[Crystal]:
    for row in pq.read_table(path).to_pylist():
        if row["n_sites"] <= MAX_ATOMS:
            crystal = crystal_of_row(row, 2, path)
            if not isinstance(crystal, Rejection):
                yield crystal


if __name__ == "__main__":
    typer.run(main)
