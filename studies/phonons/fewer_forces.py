"""Third-order force constants from fewer force calculations: random displacements of all atoms, fitted by symfc.

    python -m studies.phonons.fewer_forces --nequix PATH/nequix-mp-1-pft.nqx

Is kappa that of displaced pairs, for half the force calculations or fewer? Reference are pairs up to next nearest
neighbours (`reach` of `standard`); beside it stand pairs of nearest neighbours, as `quick` has them. Supercells are
those of `quick`, or the next larger ones where `quick` does not repeat the cell; the mesh is coarser than that of
`quick` and the same for all.

In a snapshot all atoms move in random directions; symfc fits all third-order force constants of the supercell to the
forces (`kappatune.verification.snapshots`). What a cutoff of the triples does is seen by a fit to the same
forces, with a cutoff of CUTOFF.

All force calculations count: the supercell at rest, single displaced atoms (second order), pairs or snapshots. Each
crystal is stored as it comes, each force is kept in `--work`, and the same command goes on.
"""

from __future__ import annotations

from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from ase.build import bulk
from ase.spacegroup import crystal as ase_crystal
from pydantic import BaseModel

from kappatune.potentials import Potential, load_potential
from kappatune.structures import Crystal
from kappatune.verification import VerifySettings
from kappatune.verification.cache import StepCache
from kappatune.verification.cell_formats import phonopy_to_ase
from kappatune.verification.force_constants import set_second_order, set_third_order
from kappatune.verification.forces import cell_hash
from kappatune.verification.prepare import PreparedCrystal, choose_supercells, prepare
from kappatune.verification.relaxed_cell import relax_standard_cell
from kappatune.verification.snapshots import displace_all_atoms, fit_third_order, n_parameters
from kappatune.verification.standard_cell import StandardCell, standardise
from kappatune.verification.transport import run_transport
from studies.store import RESULTS, Record, RecordFile, today

if TYPE_CHECKING:
    from ase import Atoms
    from phono3py import Phono3py

FEWER_FORCES = RESULTS / "fewer_forces.jsonl"
SETTINGS = VerifySettings.of("quick", mesh_length=12.0)
REFERENCE_REACH = VerifySettings.of("standard").reach
LARGER_CELL = 100
"""Most atoms of the supercell where those of `quick` allow the conventional cell alone."""

FACTORS = (1.0, 4 / 3)
"""Snapshots, in units of what `verify` takes."""

CUTOFF = 2.1
"""Largest distance of two atoms of a triple, for comparison, in units of the cube root of the volume per atom."""

ONE_FIT_ABOVE = 2000
"""Parameters above which only the first of them is tried."""


def crystals() -> dict[str, tuple[str, Atoms]]:
    """Prototype and cell by name, kinds mixed; lattice constants from textbooks, to be relaxed."""
    return {
        "Si": ("diamond", bulk("Si", "diamond", 5.43)),
        "MgO": ("rocksalt", bulk("MgO", "rocksalt", 4.21)),
        "CsCl": ("caesium chloride", bulk("CsCl", "cesiumchloride", 4.12)),
        "KMgF3": ("perovskite", _spacegroup("KMgF", [(0.5,) * 3, (0, 0, 0), (0.5, 0, 0)], 221, (3.99,) * 3)),
        "GaAs": ("zincblende", bulk("GaAs", "zincblende", 5.65)),
        "GeTe": ("rhombohedral", _spacegroup("GeTe", [(0, 0, 0.237), (0, 0, 0.763)], 160, (4.16, 4.16, 10.67), 120)),
        "Te": ("tellurium", _spacegroup("Te", [(0.263, 0, 1 / 3)], 152, (4.46, 4.46, 5.93), 120)),
        "CaS": ("rocksalt", bulk("CaS", "rocksalt", 5.69)),
        "TiO2": ("anatase", _spacegroup("TiO", [(0, 0, 0), (0, 0, 0.208)], 141, (3.78, 3.78, 9.51))),
        "NaCl": ("rocksalt", bulk("NaCl", "rocksalt", 5.64)),
        "ZnS": ("zincblende", bulk("ZnS", "zincblende", 5.41)),
        "Na2O": ("fluorite", bulk("ONa2", "fluorite", 5.55)),
        "ZrNiSn": ("half-Heusler", _spacegroup("ZrNiSn", [(0, 0, 0), (0.25,) * 3, (0.5,) * 3], 216, (6.11,) * 3)),
        "SnO2": ("rutile", _spacegroup("SnO", [(0, 0, 0), (0.307, 0.307, 0)], 136, (4.74, 4.74, 3.19))),
        "AlN": ("wurtzite", bulk("AlN", "wurtzite", a=3.11, c=4.98, u=0.382)),
        "CaF2": ("fluorite", bulk("CaF2", "fluorite", 5.46)),
        "TiCoSb": ("half-Heusler", _spacegroup("TiCoSb", [(0, 0, 0), (0.25,) * 3, (0.5,) * 3], 216, (5.88,) * 3)),
        "ZnO": ("wurtzite", bulk("ZnO", "wurtzite", a=3.25, c=5.21, u=0.382)),
        "MgF2": ("rutile", _spacegroup("MgF", [(0, 0, 0), (0.303, 0.303, 0)], 136, (4.62, 4.62, 3.05))),
    }


def _spacegroup(
    symbols: str, basis: list[tuple[float, ...]], number: int, lengths: tuple[float, ...], gamma: float = 90
) -> Atoms:
    from ase.symbols import string2symbols

    angles = [*lengths, 90, 90, gamma]
    return ase_crystal(string2symbols(symbols), basis, spacegroup=number, cellpar=angles, primitive_cell=True)


class Fit(BaseModel):
    """Third order from random displacements.

    Attributes:
        cutoff: Largest distance of two atoms of a triple, Å; None without one, as in `verify`.
        n_parameters: Third-order force constants, as symfc estimates them; not counted with a cutoff.
        n_forces: Force calculations in all.
        kappa_w_mk: At 300 K.
        seconds: CPU time of the fit alone, s.
    """

    cutoff: float | None
    n_parameters: int | None
    n_forces: int
    kappa_w_mk: float
    seconds: float


class Comparison(Record):
    """One crystal.

    Attributes:
        record: Kind of the record.
        crystal: Name.
        prototype: Its kind.
        n_operations: Symmetry operations of the primitive cell.
        n_atoms: Of the supercell.
        n_quick: Force calculations of displaced pairs of nearest neighbours.
        n_reference: The same up to next nearest neighbours.
        kappa_quick_w_mk: kappa of the first at 300 K, one mesh.
        kappa_reference_w_mk: kappa of the second.
        fits: Of all third-order force constants, with more and more snapshots; the last one with a cutoff.
        date: When.
        potential: Name.
    """

    record: Literal["fewer_forces"] = "fewer_forces"
    crystal: str
    prototype: str
    n_operations: int
    n_atoms: int
    n_quick: int
    n_reference: int
    kappa_quick_w_mk: float
    kappa_reference_w_mk: float
    fits: list[Fit]
    date: str
    potential: str

    @property
    def name(self) -> str:
        """The crystal."""
        return self.crystal


def main(
    nequix: Annotated[str, typer.Option(help="Path of nequix-mp-1-pft.nqx, or `nequix` once it is downloaded.")],
    work: Path = Path("runs/fewer-forces"),
) -> None:
    """Compare kappa of fitted and of displaced third order: hours."""
    records = RecordFile(FEWER_FORCES)
    potential = load_potential(nequix)
    for name, (prototype, atoms) in crystals().items():
        if any(record.crystal == name for record in records.read(Comparison)):
            continue
        record = compared(name, prototype, Crystal.from_ase(atoms, id=name), potential, work)
        records.add(record)
        typer.echo(record.model_dump_json())


def compared(name: str, prototype: str, crystal: Crystal, potential: Potential, work: Path) -> Comparison:
    """Both ways for one crystal."""
    cache = StepCache(work, crystal, potential, SETTINGS)
    cell, _ = relax_standard_cell(standardise(crystal, SETTINGS.symprec), potential, SETTINGS, cache)
    settings = settings_for(cell)
    reference = settings.replace(reach=REFERENCE_REACH)
    (n_quick, kappa_quick), (n_reference, kappa_reference) = (
        displaced(cell, chosen, cache, potential) for chosen in (settings, reference)
    )
    return Comparison(
        crystal=name,
        prototype=prototype,
        n_operations=cell.n_operations,
        n_atoms=len(prepare(cell, settings).phono3py.supercell),
        n_quick=n_quick,
        n_reference=n_reference,
        kappa_quick_w_mk=kappa_quick,
        kappa_reference_w_mk=kappa_reference,
        fits=fitted(cell, settings, cache, potential),
        date=today(),
        potential=str(potential),
    )


def settings_for(cell: StandardCell) -> VerifySettings:
    """The settings, with a larger supercell where it would be the conventional cell."""
    _, matrix, _ = choose_supercells(cell, SETTINGS)
    if matrix.max() > 1:
        return SETTINGS
    return SETTINGS.replace(max_atoms=LARGER_CELL, max_harmonic_atoms=LARGER_CELL)


def displaced(
    cell: StandardCell, settings: VerifySettings, cache: StepCache, potential: Potential
) -> tuple[int, float]:
    """Force calculations and kappa with displaced pairs."""
    prepared = _harmonic(cell, settings, cache, potential)
    set_third_order(prepared.phono3py, cache.forces.forces(prepared.displaced_cells, potential, lambda: None))
    return prepared.n_forces, _kappa(prepared.phono3py, settings)


def fitted(cell: StandardCell, settings: VerifySettings, cache: StepCache, potential: Potential) -> list[Fit]:
    """Fits of all third order with more and more snapshots, and one with a cutoff to the fewest snapshots."""
    prepared = _harmonic(cell, settings, cache, potential)
    phonons = prepared.phono3py
    n_all = n_parameters(phonons)
    cutoff_of_triples = CUTOFF * (cell.primitive.get_volume() / len(cell.primitive)) ** (1 / 3)
    fits = []
    for factor, cutoff in (
        *((factor, None) for factor in FACTORS[: 1 if n_all > ONE_FIT_ABOVE else None]),
        (FACTORS[0], cutoff_of_triples),
    ):
        displace_all_atoms(phonons, settings.displacement, factor)
        snapshots = [
            phonopy_to_ase(snapshot) for snapshot in (phonons.supercell, *phonons.supercells_with_displacements)
        ]
        forces = cache.forces.forces(snapshots, potential, lambda: None)
        start = process_time()
        if cutoff is None:
            fit_third_order(phonons, forces)
        else:
            phonons.forces = forces[1:] - forces[0]
            phonons.produce_fc3(fc_calculator="symfc", fc_calculator_options=f"cutoff={cutoff}")
        seconds = process_time() - start
        fit = Fit(
            cutoff=cutoff,
            n_parameters=n_all if cutoff is None else None,
            n_forces=len({cell_hash(atoms) for atoms in (*prepared.single_cells, *snapshots)}),
            seconds=round(seconds, 1),
            kappa_w_mk=_kappa(phonons, settings),
        )
        fits.append(fit)
    return fits


def _harmonic(cell: StandardCell, settings: VerifySettings, cache: StepCache, potential: Potential) -> PreparedCrystal:
    """The crystal with its second order, by displaced atoms."""
    prepared = prepare(cell, settings)
    set_second_order(prepared.phono3py, cache.forces.forces(prepared.single_cells, potential, lambda: None))
    return prepared


def _kappa(phonons: Phono3py, settings: VerifySettings) -> float:
    return float(run_transport(phonons, settings.mesh_length, settings, (300.0,)).mean[0])


if __name__ == "__main__":
    typer.run(main)
