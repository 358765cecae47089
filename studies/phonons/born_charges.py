"""What does the lack of Born charges cost? kappa of polar crystals with and without them.

    python -m studies.phonons.born_charges --nequix PATH/nequix-mp-1-pft.nqx --phonopy FOLDER --phono3py FOLDER

Cells and Born charges are those of the examples in the sources of phonopy and phono3py (the latter for aluminium
nitride, which is left out without them): `pip download --no-deps --no-binary phonopy phonopy==4.10.0` gets a file that
tar unpacks, likewise for phono3py. Both values of a crystal come from the same forces. Each crystal is stored as it
comes, and the same command goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer
from ase.io import read as read_atoms

from kappatune.potentials import Potential, load_potential
from kappatune.processes import one_thread
from kappatune.structures import Crystal
from kappatune.verification import Verifier, VerifySettings
from kappatune.verification.plot import Curves
from kappatune.verification.settings import Quality
from studies.store import RESULTS, Record, RecordFile, today

BORN_CHARGES = RESULTS / "born_charges.jsonl"

PHONOPY = {
    "NaCl": "NaCl",
    "MgO": "MgO",
    "ZnO": "ZnO",
    "TiO2, anatase": "TiO2-anatase",
    "SnO2": "SnO2",
    "SiO2, stishovite": "SiO2-HP",
    "Al2O3": "Al2O3",
}
"""Folder in phonopy's examples by crystal."""

PHONO3PY = {"AlN": "AlN-LDA"}
"""The same in those of phono3py."""


LARGER_HARMONIC = {"Al2O3": 140}
"""Most atoms of the harmonic supercell in a second calculation: that of `quick` is the conventional cell alone."""


class BornEffect(Record):
    """One crystal with and without Born charges.

    Attributes:
        record: Kind of the record.
        crystal: Name.
        quality: Quality of the verification.
        outcomes: Without and with Born charges: `answered`, or what went wrong.
        kappa_without_w_mk: Conductivity at 300 K without them, relaxation-time approximation, no coherences.
        kappa_with_w_mk: The same with them.
        highest_at_gamma_without_thz: Highest frequency at Gamma, along the path of the dispersion, without them.
        highest_at_gamma_with_thz: The same with them: that of a longitudinal optical mode.
        n_forces: Force calculations, which both share.
        harmonic_atoms: Most atoms of the supercell for second order.
        potential: Name and version.
        source: Version of the sources that the Born charges are from, as their folder is named.
        date: When.
        versions: Of the libraries.
    """

    record: Literal["born_effect"] = "born_effect"
    crystal: str
    quality: Quality
    outcomes: tuple[str, str]
    kappa_without_w_mk: float | None
    kappa_with_w_mk: float | None
    highest_at_gamma_without_thz: float | None
    highest_at_gamma_with_thz: float | None
    n_forces: int | None
    harmonic_atoms: int
    potential: str
    source: str
    date: str
    versions: dict[str, str]

    @property
    def name(self) -> str:
        """Crystal, quality and size of the harmonic supercell."""
        return _name(self.crystal, self.quality, self.harmonic_atoms)

    @property
    def change(self) -> float | None:
        """Relative change of kappa when the charges are left out; None without both values."""
        if self.kappa_without_w_mk is None or self.kappa_with_w_mk is None:
            return None
        return self.kappa_without_w_mk / self.kappa_with_w_mk - 1


def main(
    nequix: Annotated[str, typer.Option(help="Path of nequix-mp-1-pft.nqx, or `nequix` once it is downloaded.")],
    phonopy: Annotated[Path, typer.Option(help="Folder of phonopy's unpacked sources.")],
    phono3py: Annotated[Path | None, typer.Option(help="Folder of phono3py's unpacked sources.")] = None,
    quality: Quality = "quick",
    work: Path = Path("runs/born-charges"),
) -> None:
    """Compare kappa with and without Born charges: a few minutes per crystal at `quick`."""
    cases = {name: example(phonopy, folder) for name, folder in PHONOPY.items()}
    if phono3py is not None:
        cases |= {name: example(phono3py, folder) for name, folder in PHONO3PY.items()}
    records = RecordFile(BORN_CHARGES)
    potential = load_potential(nequix)
    usual = VerifySettings.of(quality)
    tasks = [(name, usual) for name in cases]
    tasks += [(name, usual.replace(max_harmonic_atoms=n)) for name, n in LARGER_HARMONIC.items()]
    with one_thread():
        for name, settings in tasks:
            wanted = _name(name, quality, settings.max_harmonic_atoms)
            if any(record.name == wanted for record in records.read(BornEffect)):
                continue
            record = compared(name, cases[name], quality, settings, potential, work)
            records.add(record)
            typer.echo(record.model_dump_json())


def example(sources: Path, name: str) -> Path:
    """The folder of an example with a cell and its Born charges.

    Raises:
        typer.BadParameter: The sources lack it.
    """
    folder = sources / "example" / name
    for needed in ("POSCAR-unitcell", "BORN"):
        if not (folder / needed).is_file():
            raise typer.BadParameter(
                f"{folder / needed} is missing: give the folder of the unpacked sources of version 4.10.0 (a wheel "
                "does not have the examples)"
            )
    return folder


def _name(crystal: str, quality: Quality, harmonic_atoms: int) -> str:
    return f"{crystal} {quality} {harmonic_atoms}"


def compared(
    name: str, folder: Path, quality: Quality, settings: VerifySettings, potential: Potential, work: Path
) -> BornEffect:
    """Both values of one crystal, from the same forces."""
    crystal = Crystal.from_ase(read_atoms(folder / "POSCAR-unitcell", format="vasp"), id=name)
    rows, curves = [], []
    for born in (None, folder / "BORN"):
        verifier = Verifier(potential, settings, work, born=born)
        row = verifier.verify(crystal)
        rows.append(row)
        curves.append(verifier.curves(crystal, row))
    without, with_charges = rows
    return BornEffect(
        crystal=name,
        quality=quality,
        outcomes=(without.outcome, with_charges.outcome),
        kappa_without_w_mk=without.kappa_bte_w_mk,
        kappa_with_w_mk=with_charges.kappa_bte_w_mk,
        highest_at_gamma_without_thz=highest_at_gamma(curves[0]),
        highest_at_gamma_with_thz=highest_at_gamma(curves[1]),
        n_forces=without.n_forces,
        harmonic_atoms=settings.max_harmonic_atoms,
        potential=str(potential),
        source=folder.parents[1].name,
        date=today(),
        versions=without.versions,
    )


def highest_at_gamma(curves: Curves | None) -> float | None:
    """The highest frequency where the path of the dispersion meets Gamma, THz; None without curves."""
    if curves is None:
        return None
    places = [
        at for label, at in zip(curves.labels, curves.label_distances, strict=True) if "G" in str(label).split("|")
    ]
    at_gamma = np.isclose(curves.distance[:, None], places, atol=1e-8).any(axis=1)
    return round(float(curves.frequencies[at_gamma].max()), 3)


if __name__ == "__main__":
    typer.run(main)
