"""What AGL of crystals of AFLOW is made of, by a potential: energy curves and Poisson ratios.

    python -m studies.agl.engine_values --data FOLDER [--calculator chgnet] [--poisson network]

The crystals are a random sample, and all cubic arsenides and antimonides with two atoms. Stored are our own numbers
alone; `studies.agl.calibration` makes kappa of them and compares it with AFLOW's. Each crystal is stored as it comes,
and the same command goes on. Potentials known to be soft in shear take the Poisson ratio from the networks: then
`--poisson network` leaves out their elastic constants, which take most of the time and change nothing.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
import typer

from kappatune.agl_workflow import AglResult, AglSettings
from kappatune.agl_workflow.batch import agl_or_reason
from kappatune.calculations.network_moduli import UnknownModuli, network_poisson_ratio
from kappatune.calculations.symmetry import FIRST_CUBIC_GROUP, primitive_cell
from kappatune.potentials import Potential, load_potential
from kappatune.structures import Crystal, LabelledCrystal, read_table
from kappatune.verification.cell_formats import crystal_to_ase
from studies.research_data import AFLOW, DataOption, research_folder
from studies.store import RESULTS, Record, RecordFile, today, versions

VALUES = RESULTS / "agl_values.jsonl"
SAMPLE_SEED = 0
MAX_ATOMS = 20
PNICTOGENS = (33, 51)


class AglValue(Record):
    """What one potential gives for one crystal.

    Attributes:
        record: Kind of the record.
        id: Name of the crystal in AFLOW's table.
        formula: Reduced formula.
        potential: Name of the potential.
        label: Name and version of the potential.
        reason: Why there is no energy curve.
        n_atoms: In the primitive cell.
        mass_u: Of the primitive cell, u.
        poisson_ratio: The one theta is made of.
        network_poisson_ratio: That of the networks for elastic moduli, for the cell as AFLOW has it.
        elastic_poisson_ratio: That of the potential's elastic constants; null where none were computed.
        elastic_bulk_modulus_gpa: Hill's, of the elastic constants, GPa.
        shear_modulus_gpa: Hill's, GPa.
        warnings: Of the row.
        curve_volumes_a3: Volumes of the energy curve, Å^3 per primitive cell.
        curve_energies_ev: Their energies, eV per primitive cell.
        date: When.
        versions: Of the libraries.
    """

    record: Literal["agl_value"] = "agl_value"
    id: str
    formula: str
    potential: str
    label: str
    reason: str | None
    n_atoms: int | None
    mass_u: float | None
    poisson_ratio: float | None
    network_poisson_ratio: float | None
    elastic_poisson_ratio: float | None
    elastic_bulk_modulus_gpa: float | None
    shear_modulus_gpa: float | None
    warnings: tuple[str, ...]
    curve_volumes_a3: tuple[float, ...]
    curve_energies_ev: tuple[float, ...]
    date: str
    versions: dict[str, str]

    @property
    def name(self) -> str:
        """Potential and crystal."""
        return f"{self.potential} {self.id}"


def main(
    data: DataOption = None,
    calculator: Annotated[str, typer.Option(help="Potential.")] = "chgnet",
    n: Annotated[int, typer.Option(help="Crystals of the sample.")] = 300,
    poisson: Annotated[str, typer.Option(help="`network` leaves out the elastic constants.")] = "auto",
) -> None:
    """AGL of a sample of AFLOW's crystals: up to an hour for 300 crystals."""
    torch.set_num_threads(1)
    potential = load_potential(calculator)
    settings = AglSettings(poisson="network" if poisson == "network" else "auto", temperatures_k=(300.0,))
    rows = read_table(research_folder(data) / AFLOW).rows
    compute(pnictides(rows) + draw(rows, n), potential, settings, RecordFile(VALUES))


def draw(rows: list[LabelledCrystal], n: int) -> list[LabelledCrystal]:
    """A random sample of crystals with at most `MAX_ATOMS` atoms; a smaller one is the beginning of a larger."""
    fits = [row for row in rows if row.crystal.n_atoms <= MAX_ATOMS]
    order = np.random.default_rng(SAMPLE_SEED).permutation(len(fits))[:n]
    return [fits[k] for k in order]


def pnictides(rows: list[LabelledCrystal]) -> list[LabelledCrystal]:
    """All cubic arsenides and antimonides with two atoms in the primitive cell, random sample or not."""
    return [row for row in rows if row.crystal.n_atoms == 2 and _is_cubic_pnictide(row.crystal)]


def _is_cubic_pnictide(crystal: Crystal) -> bool:
    return (
        bool(np.isin(crystal.numbers, PNICTOGENS).any())
        and primitive_cell(crystal, AglSettings().symprec)[1] >= FIRST_CUBIC_GROUP
    )


def compute(
    sample: list[LabelledCrystal], potential: Potential, settings: AglSettings, records: RecordFile
) -> list[AglValue]:
    """The values of each crystal of the sample; those already in the file are not computed again."""
    known = {record.id: record for record in records.read(AglValue) if record.potential == potential.name}
    for row in sample:
        if row.crystal.id not in known:
            value = known[row.crystal.id] = value_of(row, potential, settings)
            records.add(value)
            typer.echo(f"{value.id} {value.formula}: {value.reason or value.poisson_ratio}")
    return [known[row.crystal.id] for row in sample]


def value_of(row: LabelledCrystal, potential: Potential, settings: AglSettings) -> AglValue:
    """What AGL of one crystal is made of."""
    got = agl_or_reason(row.crystal, potential, settings)
    same = set(AglValue.model_fields) & set(AglResult.model_fields) - {"potential", "warnings"}
    rounded = {
        "curve_volumes_a3": tuple(round(volume, 6) for volume in got.curve_volumes_a3),
        "curve_energies_ev": tuple(round(energy, 7) for energy in got.curve_energies_ev),
    }
    return AglValue(
        **{name: getattr(got, name) for name in same} | rounded,
        potential=potential.name,
        label=str(potential),
        network_poisson_ratio=_network_poisson_ratio(row),
        warnings=got.warnings,
        date=today(),
        versions=versions(),
    )


def _network_poisson_ratio(row: LabelledCrystal) -> float | None:
    try:
        return network_poisson_ratio(crystal_to_ase(row.crystal))
    except UnknownModuli:
        return None


if __name__ == "__main__":
    typer.run(main)
