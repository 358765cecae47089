"""Phonon values of crystals with known DFT values, by several potentials: what `verify` is calibrated on.

    python -m studies.phonons.calibration_values --data FOLDER --nequix FOLDER

Which crystals, and in which order: `calibration_draw`. Coherences are included. Days of work: each value is stored as
it comes, and the same command goes on. Stored are our own values alone, not those of the tables.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from kappatune.potentials.base import torch_device
from kappatune.verification import Verification, VerifierSpec, VerifySettings, iter_verifications
from studies.phonons.calibration_draw import SEVENNET, SEVENNET_L3I5, PotentialName, Source, Task, tasks
from studies.research_data import DataOption, research_folder
from studies.store import RESULTS, Record, RecordFile, today

VALUES = RESULTS / "calibration_values.jsonl"

SEVENNETS = {SEVENNET: "sevennet", SEVENNET_L3I5: "sevennet-l3i5"}
"""By what `verify` knows the potentials whose weights come with their package."""


class PhononValue(Record):
    """What one potential gives for one crystal.

    Attributes:
        record: Kind of the record.
        id: Materials Project id of the crystal.
        source: The table that has its DFT value.
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
        device: What evaluated the potential.
        date: When.
        versions: Of the libraries.
    """

    record: Literal["phonon_value"] = "phonon_value"
    id: str
    source: Source = "phonix"
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
    device: Literal["cpu", "cuda"] = "cpu"
    date: str
    versions: dict[str, str]

    @property
    def name(self) -> str:
        """Crystal, potential and quality."""
        return f"{self.id} {self.potential} {self.quality}"

    @property
    def reference(self) -> str:
        """Table and crystal of its DFT value."""
        return f"{self.source} {self.id}"


def main(
    nequix: Annotated[Path, typer.Option(help="Folder of nequix-mp-1-pft.nqx and nequix-oam-1-pft.nqx.")],
    data: DataOption = None,
    work: Path = Path("runs/calibration-values"),
    limit: Annotated[int, typer.Option(min=1, help="Number of crystals of Phonix.")] = 150,
) -> None:
    """Compute phonon values of crystals with DFT values: days."""
    records = RecordFile(VALUES)
    for task in tasks(research_folder(data), work, limit):
        known = {record.name for record in records.read(PhononValue)}
        if f"{task.crystal.id} {task.potential} {task.quality}" in known:
            continue
        settings = VerifySettings.of(task.quality, wigner=True)
        spec = VerifierSpec(calculator_of(task.potential, nequix), settings, work / task.potential, model=None)
        for row in iter_verifications([task.crystal], spec):
            records.add(as_record(row, task))
            typer.echo(f"{row.id} {row.formula} {task.potential} {task.quality}: {row.outcome} {row.kappa_bte_w_mk}")


def calculator_of(potential: PotentialName, nequix: Path) -> str:
    """What to pass as `--calculator`; `nequix` is the folder of the Nequix weights."""
    return SEVENNETS.get(potential) or str(nequix / f"{potential}.nqx")


def as_record(row: Verification, task: Task) -> PhononValue:
    """What is stored of a verification."""
    return PhononValue(
        id=row.id,
        source=task.source,
        formula=row.formula,
        potential=task.potential,
        quality=task.quality,
        outcome=row.outcome,
        kappa_w_mk=row.kappa_bte_w_mk,
        coherences_w_mk=row.coherences_w_mk,
        lowest_frequency_thz=row.lowest_frequency_thz,
        n_atoms=row.n_atoms,
        space_group=row.space_group,
        n_forces=row.n_forces,
        seconds=round(row.seconds.get("total", 0.0), 1),
        device="cuda" if torch_device() == "cuda" else "cpu",
        date=today(),
        versions=row.versions,
    )


if __name__ == "__main__":
    typer.run(main)
