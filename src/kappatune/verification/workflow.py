"""Phonon Boltzmann transport of one crystal, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from kappatune.calculations.relaxation import relax
from kappatune.potentials import Potential
from kappatune.progress import OnProgress
from kappatune.structures import Crystal
from kappatune.verification import cells
from kappatune.verification.born import read_born
from kappatune.verification.cache import StepCache
from kappatune.verification.cells import Standard, standardise
from kappatune.verification.events import ForcesProgress, StepStarted
from kappatune.verification.lattice import (
    Dispersion,
    dispersion,
    harmonic_crystal,
    lowest_frequency,
    set_harmonic_forces,
    set_pair_forces,
)
from kappatune.verification.outcomes import BrokenSymmetry
from kappatune.verification.settings import VerifySettings
from kappatune.verification.transport import Transport, converged_transport


class Clock:
    """Wall time by part.

    Attributes:
        seconds: By name, s.
    """

    def __init__(self) -> None:
        self.start = perf_counter()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        """Count what happens inside to a part."""
        start = perf_counter()
        try:
            yield
        finally:
            self.seconds[part] = self.seconds.get(part, 0.0) + perf_counter() - start

    def read(self) -> dict[str, float]:
        """All parts, what belongs to none (`own`), and the `total`."""
        total = perf_counter() - self.start
        return {**self.seconds, "own": total - sum(self.seconds.values()), "total": total}


@dataclass(frozen=True)
class Phonons:
    """What became of a crystal.

    Attributes:
        standard: The relaxed crystal in its standard cells.
        supercell: Repetitions and atoms, third order.
        harmonic_supercell: Repetitions and atoms, second order.
        pair_cutoff: Å.
        n_forces: Force calculations behind it.
        lowest_frequency: THz.
        transport: kappa(T).
        dispersion: Frequencies along a path, and their density.
        warnings: What is unusual.
    """

    standard: Standard
    supercell: str
    harmonic_supercell: str
    pair_cutoff: float
    n_forces: int
    lowest_frequency: float
    transport: Transport
    dispersion: Dispersion
    warnings: list[str] = field(default_factory=list)


def relaxed_standard(
    crystal: Crystal, potential: Potential, settings: VerifySettings, cache: StepCache
) -> tuple[Standard, list[str]]:
    """Standardise, relax with the symmetry kept, and see that it was.

    Cell and positions relax together by FIRE in ASE's Frechet cell filter, as in the conductivity task of Matbench
    Discovery.

    Returns:
        The relaxed crystal, and what is unusual.

    Raises:
        BadCrystal, EvaluationError, NotConverged: As `agl.relax`.
        BrokenSymmetry: It was not.
    """
    given = standardise(crystal, settings.symprec)

    found = cache.load("relaxed")
    if found is None:
        atoms = relax(
            given.primitive,
            potential,
            fmax=settings.fmax,
            max_steps=settings.max_steps,
            symprec=settings.symprec,
            optimiser="FIRE",
        )
        found = {"lattice": atoms.cell.array.tolist(), "frac_coords": atoms.get_scaled_positions().tolist()}
        cache.save("relaxed", found)
    after = standardise(
        Crystal(np.array(found["lattice"]), given.primitive.numbers.astype(np.int64), np.array(found["frac_coords"])),
        settings.symprec,
    )
    if after.n_operations * len(given.primitive) < given.n_operations * len(after.primitive):
        raise BrokenSymmetry(
            f"the relaxation broke the symmetry: space group {given.space_group} became {after.space_group}"
        )
    if after.space_group != given.space_group:
        return after, [f"the relaxation changed the space group from {given.space_group} to {after.space_group}"]
    return after, []


def phonons_of(
    crystal: Crystal,
    potential: Potential,
    settings: VerifySettings,
    cache: StepCache,
    *,
    born: Path | None = None,
    on_progress: OnProgress,
    clock: Clock,
) -> Phonons:
    """Relax a crystal, displace its atoms, and solve its phonon Boltzmann equation.

    Args:
        crystal: Any cell of the crystal.
        potential: The potential.
        settings: How.
        cache: Where finished steps are and are written.
        born: File of Born charges; without it, the splitting of polar optical modes is lost.
        on_progress: Called with each event.
        clock: Counts the time.

    Raises:
        UserError: What stands in the way; `outcomes.outcome_of` names it.
    """
    on_progress(StepStarted(crystal.id, "relaxation"))
    with clock("relaxation"):
        standard, warnings = relaxed_standard(crystal, potential, settings, cache)
    with clock("phono3py"):
        phonons = cells.displaced(standard, settings)
        if born is not None:
            phonons.nac_params = read_born(born, crystal, phonons, settings.symprec)
        harmonic, pairs = cells.harmonic_cells(phonons), cells.pair_cells(phonons)
    n_forces = cells.number_of_forces(phonons)
    n_cells = len(harmonic) + sum(cell is not None for cell in pairs)
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        on_progress(ForcesProgress(crystal.id, done, n_cells))

    on_progress(StepStarted(crystal.id, "forces"))
    with clock("forces"):
        forces = cache.forces.forces(harmonic, potential, step)
    with clock("phono3py"):
        set_harmonic_forces(phonons, forces)
        lattice = harmonic_crystal(phonons)
        lowest = lowest_frequency(lattice, settings.mesh_length, settings.imaginary_tolerance_thz)
    with clock("forces"):
        forces = cache.forces.forces(pairs, potential, step)
    on_progress(StepStarted(crystal.id, "transport"))
    with clock("phono3py"):
        set_pair_forces(phonons, forces, np.array([cell is not None for cell in pairs[1:]]))
        transport = converged_transport(phonons, settings)
        curves = dispersion(lattice, settings.mesh_length)
    cutoff = cells.pair_cutoff(standard.primitive, settings)
    half = 0.5 / np.linalg.norm(np.linalg.inv(phonons.supercell.cell), axis=0).max()
    if cutoff > half:
        warnings.append(
            f"the pair cutoff of {cutoff:.2f} Å is more than half the smallest height of the supercell ({half:.2f} Å): "
            "raise max_atoms"
        )
    return Phonons(
        standard=standard,
        supercell=_named(phonons.supercell_matrix, len(phonons.supercell)),
        harmonic_supercell=_named(phonons.phonon_supercell_matrix, len(phonons.phonon_supercell)),
        pair_cutoff=cutoff,
        n_forces=n_forces,
        lowest_frequency=lowest,
        transport=transport,
        dispersion=curves,
        warnings=warnings,
    )


def _named(matrix: Any, n_atoms: int) -> str:
    return f"{'x'.join(str(int(n)) for n in np.diag(matrix))}, {n_atoms} atoms"
