"""Phonon Boltzmann transport of one crystal: relax, prepare, forces, force constants, gate, transport."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import constants

from kappatune.potentials import Potential
from kappatune.progress import OnProgress
from kappatune.structures import Crystal
from kappatune.verification.born import read_born
from kappatune.verification.cache import StepCache
from kappatune.verification.clock import Clock
from kappatune.verification.events import ForcesProgress, StepStarted
from kappatune.verification.force_constants import set_second_order, set_third_order
from kappatune.verification.gruneisen import mode_gruneisen
from kappatune.verification.harmonic import (
    Dispersion,
    compute_dispersion,
    harmonic_crystal,
    largest_displacement,
    stable_lowest_frequency,
)
from kappatune.verification.prepare import PreparedCrystal, prepare
from kappatune.verification.relaxed_cell import relax_standard_cell
from kappatune.verification.settings import VerifySettings
from kappatune.verification.snapshots import fit_third_order
from kappatune.verification.standard_cell import StandardCell
from kappatune.verification.transport import Transport, converged_transport, without_natural_isotopes

KELVIN_PER_THZ = constants.h / constants.k * 1e12
NOTED_UNSCATTERED_SHARE = 1e-3
"""Of the heat capacity: less in modes for which no scattering is found is not worth a warning."""


@dataclass(frozen=True)
class PhononResult:
    """Phonons and conductivity of one crystal.

    Attributes:
        prepared: The relaxed crystal with its supercells and displacements.
        lowest_frequency: THz.
        transport: kappa(T).
        dispersion: Frequencies along a path, and the density of states.
        gruneisen: (n_q, n_bands) Grüneisen parameters of the modes of `transport`.
        largest_displacement: Largest mean-square displacement of an atom along any direction at 300 K, Å^2.
        warnings: What is unusual.
    """

    prepared: PreparedCrystal
    lowest_frequency: float
    transport: Transport
    dispersion: Dispersion
    gruneisen: NDArray[np.float64]
    largest_displacement: float
    warnings: tuple[str, ...] = ()


def compute_phonons(
    crystal: Crystal,
    cell: StandardCell,
    potential: Potential,
    settings: VerifySettings,
    cache: StepCache,
    *,
    born: Path | None = None,
    on_progress: OnProgress,
    clock: Clock,
) -> PhononResult:
    """Relax a crystal, displace its atoms, and solve its phonon Boltzmann equation.

    Args:
        crystal: The crystal as given, to which a BORN file refers.
        cell: The same crystal in its standard cells.
        potential: The potential.
        settings: How kappa is computed.
        cache: Where finished steps are read and written.
        born: File of Born charges; without it, longitudinal and transverse optical modes do not split at Gamma.
        on_progress: Called with `StepStarted` and `ForcesProgress`.
        clock: Counts the time of `relaxation`, `forces` and `phono3py`.

    Raises:
        UserError: There is no kappa; `outcomes.outcome_of` names the outcome.
    """
    on_progress(StepStarted(crystal.id, "relaxation"))
    with clock("relaxation"):
        relaxed, warnings = relax_standard_cell(cell, potential, settings, cache)
    with clock("phono3py"):
        prepared = prepare(relaxed, settings)
        if born is not None:
            prepared.phono3py.nac_params = read_born(born, crystal, prepared.phono3py, settings.symprec)
    n_done = 0

    def count_cell() -> None:
        nonlocal n_done
        n_done += 1
        on_progress(ForcesProgress(crystal.id, n_done, prepared.n_cells))

    on_progress(StepStarted(crystal.id, "forces"))
    with clock("forces"):
        single_forces = cache.forces.forces(prepared.single_cells, potential, count_cell)
    with clock("phono3py"):
        set_second_order(prepared.phono3py, single_forces)
        harmonic = harmonic_crystal(prepared.phono3py)
        lowest_frequency = stable_lowest_frequency(harmonic, settings.mesh_length, settings.imaginary_tolerance_thz)
    with clock("forces"):
        displaced_forces = cache.forces.forces(prepared.displaced_cells, potential, count_cell)
    on_progress(StepStarted(crystal.id, "transport"))
    with clock("phono3py"):
        if prepared.third_order == "pairs":
            set_third_order(prepared.phono3py, displaced_forces)
        else:
            fit_third_order(prepared.phono3py, displaced_forces)
        transport = converged_transport(prepared.phono3py, settings)
        dispersion = compute_dispersion(harmonic, settings.mesh_length)
        gruneisen = mode_gruneisen(prepared.phono3py, harmonic, transport.modes.qpoints)
        displacement = largest_displacement(harmonic)
    warnings = (
        *warnings,
        *_cutoff_warnings(prepared),
        *_unscattered_warnings(transport),
        *_isotope_warnings(prepared, settings),
        *_cold_warnings(transport, settings),
    )
    return PhononResult(prepared, lowest_frequency, transport, dispersion, gruneisen, displacement, warnings)


def _unscattered_warnings(transport: Transport) -> tuple[str, ...]:
    share = transport.modes.unscattered_share
    if share < NOTED_UNSCATTERED_SHARE:
        return ()
    return (
        f"modes with {share:.1%} of the heat capacity find no three-phonon process on the mesh, so kappa is without "
        "them: what limits them is not computed",
    )


def _isotope_warnings(prepared: PreparedCrystal, settings: VerifySettings) -> tuple[str, ...]:
    pure = without_natural_isotopes(prepared.phono3py.primitive) if settings.isotopes else ()
    return (f"no natural isotopes of {', '.join(pure)} are known: none scatter phonons here",) if pure else ()


def _cold_warnings(transport: Transport, settings: VerifySettings) -> tuple[str, ...]:
    """Temperatures at which the phonons that carry heat are slower than all on the mesh but those at Gamma."""
    lowest_k = transport.modes.lowest_frequency_thz * KELVIN_PER_THZ
    cold = [f"{temperature:g}" for temperature in settings.temperatures_k if temperature < lowest_k]
    if not cold:
        return ()
    return (
        f"kappa at {', '.join(cold)} K is not to be trusted: below {lowest_k:.0f} K phonons between Gamma and the "
        "points of the mesh next to it carry much of the heat",
    )


def _cutoff_warnings(prepared: PreparedCrystal) -> tuple[str, ...]:
    cutoff, half_height = prepared.pair_cutoff, prepared.supercell_half_height
    if cutoff is None or cutoff <= half_height:
        return ()
    return (
        f"the pair cutoff of {cutoff:.2f} Å is more than half the smallest height of the supercell "
        f"({half_height:.2f} Å): use a higher quality, or a larger `max_atoms` of `VerifySettings`",
    )
