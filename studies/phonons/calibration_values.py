"""Phonon values of crystals with known DFT values, by several potentials: what `verify` is to be calibrated on.

    python -m studies.phonons.calibration_values --data FOLDER --nequix PATH/nequix-mp-1-pft.nqx

Drawn from `phonix.parquet`: crystals of at most eight atoms in the primitive cell that need at most 400 force
calculations at quality `quick`. Kinds of crystals (anonymous formula, space group, atoms in the primitive cell) come in
an order drawn with a seed, one crystal of each kind after the other, at most six of a kind. Every crystal is computed
with Nequix, every second one with SevenNet-0 too; coherences are included. Days of work: each value is stored as it
comes, and the same command goes on. Stored are our own values alone, not those of the table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pyarrow.parquet as pq
import typer
from pymatgen.core import Composition

from kappatune.errors import UserError
from kappatune.structures import Crystal, Rejection
from kappatune.structures.table import crystal_of_row
from kappatune.verification import Verification, VerifierSpec, VerifySettings, iter_verifications
from kappatune.verification.prepare import prepare
from kappatune.verification.standard_cell import standardise
from studies.research_data import PHONIX, DataOption, research_folder
from studies.store import RESULTS, Record, RecordFile, today

SEED = 20261125
MAX_ATOMS = 8
N_PER_KIND = 6
MAX_FORCES = 400
SETTINGS = VerifySettings.of("quick", wigner=True)


class PhononValue(Record):
    """What one potential gives for one crystal.

    Attributes:
        record: Kind of the record.
        id: Materials Project id of the crystal.
        formula: Reduced formula.
        potential: Name of the potential.
        quality: Quality of the verification.
        outcome: `answered`, or what went wrong.
        kappa_w_mk: Conductivity at 300 K, coherences included, W/(m K).
        coherences_w_mk: The part of the coherences, W/(m K).
        lowest_frequency_thz: Of the harmonic crystal; negative if imaginary.
        n_atoms: In the primitive cell.
        space_group: International number.
        n_forces: Force calculations.
        seconds: Wall time of the whole verification, s; the machine was shared.
        date: When.
        versions: Of the libraries.
    """

    record: Literal["phonon_value"] = "phonon_value"
    id: str
    formula: str | None
    potential: str
    quality: str
    outcome: str
    kappa_w_mk: float | None
    coherences_w_mk: float | None
    lowest_frequency_thz: float | None
    n_atoms: int | None
    space_group: int | None
    n_forces: int | None
    seconds: float
    date: str
    versions: dict[str, str]

    @property
    def name(self) -> str:
        """Crystal, potential and quality."""
        return f"{self.id} {self.potential} {self.quality}"


def main(
    nequix: Annotated[str, typer.Option(help="Path of nequix-mp-1-pft.nqx, or `nequix` once it is downloaded.")],
    data: DataOption = None,
    work: Path = Path("runs/calibration-values"),
    limit: Annotated[int, typer.Option(min=1, help="Number of crystals.")] = 150,
) -> None:
    """Compute phonon values of crystals with DFT values: days."""
    records = RecordFile(RESULTS / "calibration_values.jsonl")
    chosen = 0
    for crystal in drawn(research_folder(data) / PHONIX):
        if chosen == limit:
            return
        if not is_affordable(crystal):
            continue
        chosen += 1
        for calculator in (nequix, "sevennet") if chosen % 2 else (nequix,):
            potential = "SevenNet-0" if calculator == "sevennet" else "nequix-mp-1-pft"
            if any(r.id == crystal.id and r.potential == potential for r in records.read(PhononValue)):
                continue
            spec = VerifierSpec(calculator, SETTINGS, work / potential, model=None)
            for row in iter_verifications([crystal], spec):
                records.add(as_record(row, potential))
                typer.echo(f"{chosen} {row.id} {row.formula} {potential}: {row.outcome} {row.kappa_bte_w_mk}")


def as_record(row: Verification, potential: str) -> PhononValue:
    """What is stored of a verification."""
    return PhononValue(
        id=row.id,
        formula=row.formula,
        potential=potential,
        quality="quick",
        outcome=row.outcome,
        kappa_w_mk=row.kappa_bte_w_mk,
        coherences_w_mk=row.coherences_w_mk,
        lowest_frequency_thz=row.lowest_frequency_thz,
        n_atoms=row.n_atoms,
        space_group=row.space_group,
        n_forces=row.n_forces,
        seconds=round(row.seconds.get("total", 0.0), 1),
        date=today(),
        versions=row.versions,
    )


def drawn(table: Path) -> list[Crystal]:
    """Crystals in the order in which they are computed."""
    kinds: dict[tuple[str, int, int], list[Crystal]] = {}
    for number, row in enumerate(pq.read_table(table).to_pylist(), 1):
        crystal = crystal_of_row(row, number, table)
        if isinstance(crystal, Rejection):
            continue
        try:
            standard = standardise(crystal, SETTINGS.symprec)
        except UserError:
            continue
        if len(standard.primitive) <= MAX_ATOMS:
            kind = (Composition(crystal.formula_key).anonymized_formula, standard.space_group, len(standard.primitive))
            kinds.setdefault(kind, []).append(crystal)
    rng = np.random.default_rng(SEED)
    names = sorted(kinds)
    shuffled = [kinds[names[k]] for k in rng.permutation(len(names))]
    chosen = [[crystals[k] for k in rng.permutation(len(crystals))[:N_PER_KIND]] for crystals in shuffled]
    return [crystals[rank] for rank in range(N_PER_KIND) for crystals in chosen if rank < len(crystals)]


def is_affordable(crystal: Crystal) -> bool:
    """Whether few enough force calculations are needed."""
    try:
        return prepare(standardise(crystal, SETTINGS.symprec), SETTINGS).n_forces <= MAX_FORCES
    except UserError:
        return False


if __name__ == "__main__":
    typer.run(main)
