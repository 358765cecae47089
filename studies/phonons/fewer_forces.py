"""Third-order force constants from fewer force calculations: random displacements of all atoms, fitted by symfc.

    python -m studies.phonons.fewer_forces --nequix PATH/nequix-mp-1-pft.nqx

Is kappa that of displaced pairs, for half the force calculations or fewer? The supercell, the second order and the
mesh are those of quality `quick`. Reference are pairs up to next nearest neighbours (`reach` of `standard`); beside it
stand pairs of nearest neighbours, as `quick` has them. All atoms of a snapshot move by 0.03 Å in random directions
(phono3py's own option), and symfc (Seko and Togo, Phys. Rev. B 110, 214302 (2024)) fits second and third order
together. A triple counts if its atoms lie within a cutoff of each other: the largest one for which so many snapshots as
the budget allows give OVERSAMPLING times as many equations as there are parameters. Each crystal is stored as it comes,
each force is kept in `--work`, and the same command goes on.
"""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import typer
from ase.build import bulk
from ase.spacegroup import crystal as ase_crystal
from pydantic import BaseModel

from kappatune.potentials import Potential, load_potential
from kappatune.structures import Crystal
from kappatune.verification import VerifySettings
from kappatune.verification.cache import StepCache
from kappatune.verification.cell_formats import phonopy_to_ase
from kappatune.verification.force_constants import pair_distances, set_second_order, set_third_order
from kappatune.verification.prepare import PreparedCrystal, prepare
from kappatune.verification.relaxed_cell import relax_standard_cell
from kappatune.verification.standard_cell import StandardCell, standardise
from kappatune.verification.transport import run_transport
from studies.store import RESULTS, Record, RecordFile, today

if TYPE_CHECKING:
    from ase import Atoms
    from phono3py import Phono3py

SEED = 20261126
SETTINGS = VerifySettings.of("quick")
REFERENCE = SETTINGS.replace(reach=VerifySettings.of("standard").reach)
OVERSAMPLING = (2.0, 4.0)
MAX_PARAMETERS = 6000
"""symfc's normal equations hold the square of this number."""


def crystals() -> dict[str, tuple[str, Atoms]]:
    """Prototype and cell by name, the cheap ones first; lattice constants from textbooks, to be relaxed."""
    return {
        "Si": ("diamond", bulk("Si", "diamond", 5.43)),
        "GaAs": ("zincblende", bulk("GaAs", "zincblende", 5.65)),
        "ZnS": ("zincblende", bulk("ZnS", "zincblende", 5.41)),
        "MgO": ("rocksalt", bulk("MgO", "rocksalt", 4.21)),
        "CaS": ("rocksalt", bulk("CaS", "rocksalt", 5.69)),
        "NaCl": ("rocksalt", bulk("NaCl", "rocksalt", 5.64)),
        "CaF2": ("fluorite", bulk("CaF2", "fluorite", 5.46)),
        "Na2O": ("fluorite", bulk("ONa2", "fluorite", 5.55)),
        "ZrNiSn": ("half-Heusler", _spacegroup("ZrNiSn", [(0, 0, 0), (0.25,) * 3, (0.5,) * 3], 216, (6.11,) * 3)),
        "TiCoSb": ("half-Heusler", _spacegroup("TiCoSb", [(0, 0, 0), (0.25,) * 3, (0.5,) * 3], 216, (5.88,) * 3)),
        "CsCl": ("caesium chloride", bulk("CsCl", "cesiumchloride", 4.12)),
        "AlN": ("wurtzite", bulk("AlN", "wurtzite", a=3.11, c=4.98, u=0.382)),
        "ZnO": ("wurtzite", bulk("ZnO", "wurtzite", a=3.25, c=5.21, u=0.382)),
        "KMgF3": ("perovskite", _spacegroup("KMgF", [(0.5,) * 3, (0, 0, 0), (0.5, 0, 0)], 221, (3.99,) * 3)),
        "MgF2": ("rutile", _spacegroup("MgF", [(0, 0, 0), (0.303, 0.303, 0)], 136, (4.62, 4.62, 3.05))),
        "SnO2": ("rutile", _spacegroup("SnO", [(0, 0, 0), (0.307, 0.307, 0)], 136, (4.74, 4.74, 3.19))),
        "TiO2": ("anatase", _spacegroup("TiO", [(0, 0, 0), (0, 0, 0.208)], 141, (3.78, 3.78, 9.51))),
        "GeTe": ("rhombohedral", _spacegroup("GeTe", [(0, 0, 0.237), (0, 0, 0.763)], 160, (4.16, 4.16, 10.67), 120)),
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
        cutoff: Largest distance of two atoms of a triple, Å; None without one.
        n_parameters: Of second and third order.
        oversampling: Equations per parameter that were asked for.
        n_snapshots: Force calculations.
        kappa_w_mk: At 300 K.
        seconds: Of the fit alone, s.
    """

    cutoff: float | None
    n_parameters: int
    oversampling: float
    n_snapshots: int
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
        fits: With half of `n_quick` and of `n_reference` at most.
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
    records = RecordFile(RESULTS / "fewer_forces.jsonl")
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
    displaced = {}
    for settings in (SETTINGS, REFERENCE):
        prepared = _harmonic(cell, settings, cache, potential)
        set_third_order(prepared.phono3py, cache.forces.forces(prepared.pair_cells, potential, lambda: None))
        n_forces = sum(pair is not None for pair in prepared.pair_cells)
        displaced[settings.reach] = (n_forces, _kappa(prepared.phono3py))
    (n_quick, kappa_quick), (n_reference, kappa_reference) = displaced.values()
    fits = [
        fit
        for budget in (n_quick // 2, n_reference // 2)
        for oversampling in OVERSAMPLING
        if (fit := fitted(cell, cache, potential, budget, oversampling)) is not None
    ]
    return Comparison(
        crystal=name,
        prototype=prototype,
        n_operations=cell.n_operations,
        n_atoms=len(prepared.phono3py.supercell),
        n_quick=n_quick,
        n_reference=n_reference,
        kappa_quick_w_mk=kappa_quick,
        kappa_reference_w_mk=kappa_reference,
        fits=fits,
        date=today(),
        potential=str(potential),
    )


def fitted(cell: StandardCell, cache: StepCache, potential: Potential, budget: int, oversampling: float) -> Fit | None:
    """Third order from as many snapshots as the longest affordable cutoff needs; None if none is affordable."""
    prepared = _harmonic(cell, SETTINGS, cache, potential)
    phonons = prepared.phono3py
    harmonic = phonons.fc2
    affordable = longest_cutoff(phonons, budget, oversampling)
    if affordable is None:
        return None
    cutoff, n_parameters = affordable
    n_snapshots = snapshots_for(n_parameters, len(phonons.supercell), oversampling)
    phonons.generate_displacements(distance=SETTINGS.displacement, number_of_snapshots=n_snapshots, random_seed=SEED)
    snapshots = [phonopy_to_ase(snapshot) for snapshot in (phonons.supercell, *phonons.supercells_with_displacements)]
    forces = cache.forces.forces(snapshots, potential, lambda: None)
    phonons.forces = forces[1:] - forces[0]
    start = perf_counter()
    phonons.produce_fc3(fc_calculator="symfc", fc_calculator_options=None if cutoff is None else f"|cutoff={cutoff}")
    seconds = perf_counter() - start
    phonons.fc2 = harmonic
    return Fit(
        cutoff=cutoff,
        n_parameters=n_parameters,
        oversampling=oversampling,
        n_snapshots=n_snapshots,
        kappa_w_mk=_kappa(phonons),
        seconds=round(seconds, 1),
    )


def longest_cutoff(phonons: Phono3py, budget: int, oversampling: float) -> tuple[float | None, int] | None:
    """The longest cutoff of triples whose parameters the budget of snapshots determines, and their number."""
    from phonopy.interface.symfc import SymfcFCSolver

    def n_parameters(order: int, cutoff: float | None = None) -> int:
        options = {} if cutoff is None else {"cutoff": {order: cutoff}}
        solver = SymfcFCSolver(phonons.supercell, symmetry=phonons.symmetry, options=options)
        return int(solver.estimate_basis_size(orders=[order])[order])

    n_harmonic = n_parameters(2)
    shells = np.unique(np.round(pair_distances(phonons), 3))
    cutoffs = [float(0.5 * (low + high)) for low, high in pairwise(shells[1:])]
    found = None
    for cutoff in (*cutoffs, None):
        n = n_harmonic + n_parameters(3, cutoff)
        if n > MAX_PARAMETERS or snapshots_for(n, len(phonons.supercell), oversampling) > budget:
            break
        found = cutoff, n
    return found


def snapshots_for(n_parameters: int, n_atoms: int, oversampling: float) -> int:
    """How many snapshots give so many equations per parameter; at least two."""
    return max(2, math.ceil(oversampling * n_parameters / (3 * n_atoms)))


def _harmonic(cell: StandardCell, settings: VerifySettings, cache: StepCache, potential: Potential) -> PreparedCrystal:
    """The crystal with its second order, by displaced atoms."""
    prepared = prepare(cell, settings)
    set_second_order(prepared.phono3py, cache.forces.forces(prepared.single_cells, potential, lambda: None))
    return prepared


def _kappa(phonons: Phono3py) -> float:
    return float(run_transport(phonons, SETTINGS.mesh_length, SETTINGS, (300.0,)).mean[0])


if __name__ == "__main__":
    typer.run(main)
