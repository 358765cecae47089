"""Phonon values of crystals of many kinds, by a potential: what an `mlip` rung learns from.

    python -m studies.phonons.mlip_values --data FOLDER --calculator nequix [--work runs/mlip-values]

From the pool, compounds of at most six atoms without hydrogen whose formula no small set holds: of each kind (anonymous
formula and space group) up to eight drawn with a seed, small and symmetric ones first. Every crystal is kept in
`--work` as it comes; the same command goes on after a kill. The values are our own, the crystals those of phonondb
(CC BY 4.0): the table `values.parquet` in `--work` is what `train` takes.
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
from kappatune.verification.cells import standardise
from kappatune.verification.table import add_labels
from studies.results import data_folder
from studies.transfer.research_tables import read_research_tables

MAX_ATOMS = 6
EACH = 8
SEED = 0
SETTINGS = VerifySettings.of("standard", wigner=True)


def main(
    data: Annotated[Path | None, typer.Option(envvar="KAPPATUNE_DATA")] = None,
    calculator: str = "nequix",
    work: Path = Path("runs/mlip-values"),
    limit: Annotated[int, typer.Option(min=1, help="Crystals that are computed.")] = 40,
) -> None:
    folder = data_folder(data)
    chosen = _chosen(folder)[:limit]
    spec = VerifierSpec(calculator, SETTINGS, work / "steps", model=None)
    for crystal, row in zip(chosen, iter_verifications(chosen, spec), strict=True):
        add_labels(work / "values.parquet", [(crystal, row)])
        seconds = row.seconds.get("total", 0)
        typer.echo(f"{row.id} {row.formula}: {row.outcome} {row.kappa_bte_w_mk} {seconds:.0f} s {row.reason or ''}")


def _chosen(folder: Path) -> list[Crystal]:
    """Some crystals of each kind, those with the least work first."""
    held = read_research_tables(folder).small_formulas
    kinds: dict[tuple[str, int], list[Crystal]] = {}
    work: dict[str, float] = {}
    for crystal in _pool(folder / "phonondb_pool.parquet"):
        composition = Composition(crystal.formula)
        if crystal.formula not in held and len(composition) > 1 and "H" not in composition:
            standard = standardise(crystal, SETTINGS.symprec)
            kinds.setdefault((composition.anonymized_formula, standard.space_group), []).append(crystal)
            work[crystal.id] = len(standard.primitive) ** 2 / standard.n_operations
    draw = np.random.default_rng(SEED)
    drawn = [crystals[k] for _, crystals in sorted(kinds.items()) for k in draw.permutation(len(crystals))[:EACH]]
    return sorted(drawn, key=lambda crystal: work[crystal.id])


def _pool(path: Path) -> Iterator[Crystal]:
    for row in pq.read_table(path).to_pylist():
        if row["n_sites"] <= MAX_ATOMS:
            crystal = crystal_of_row(row, 2, path)
            if not isinstance(crystal, Rejection):
                yield crystal


if __name__ == "__main__":
    typer.run(main)
