"""AGL of one crystal: relax it, compute its energy against volume, and apply the Debye-Grüneisen model.

See `kappatune.physics.debye_gruneisen` for the model and its sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kappatune.calculations.agl_calibration import shipped_agl_calibrations
from kappatune.calculations.agl_result import AglResult
from kappatune.calculations.agl_settings import AglSettings
from kappatune.calculations.poisson import PoissonRatio, find_poisson_ratio
from kappatune.calculations.relaxation import RelaxedCrystal, relax_crystal
from kappatune.physics.debye_gruneisen import BOLTZMANN_EV, DebyeGruneisen, ThermalState, slack_kappa
from kappatune.physics.equation_of_state import BadCurve, EquationOfState, fit_equation_of_state
from kappatune.physics.slack import CLASSICAL_FROM, acoustic_debye_temperature
from kappatune.potentials import Potential
from kappatune.structures import Crystal

if TYPE_CHECKING:
    from ase import Atoms

UNUSUAL_ROUGHNESS = 0.01
"""Roughness of the curve over the range of the energies above which a warning is given."""

USUAL_POISSON = (0.0, 0.45)
USUAL_GRUNEISEN = (1.0, 3.5)


@dataclass(frozen=True)
class EnergyCurve:
    """Energies of an isotropically scaled cell, and their fit.

    Attributes:
        volumes: (n_volumes,) Å^3 per cell.
        energies: (n_volumes,) eV per cell.
        fit: The equation of state.
    """

    volumes: NDArray[np.float64]
    energies: NDArray[np.float64]
    fit: EquationOfState


def agl_of_crystal(crystal: Crystal, potential: Potential, settings: AglSettings | None = None) -> AglResult:
    """AGL of one crystal.

    The primitive standard cell is relaxed with its symmetry kept, then scaled; at the scaled volumes the fractional
    coordinates and the shape stay those of the relaxed cell, and the energies give B and gamma. The Poisson ratio, from
    elastic constants with relaxed ions or from elsewhere, is taken as constant in volume.

    Args:
        crystal: Any cell of the crystal.
        potential: The potential.
        settings: `AglSettings()` by default.

    Returns:
        The result, without a reason.

    Raises:
        BadCrystal: The crystal is not valid.
        EvaluationError: The potential fails or gives unphysical numbers.
        NotConverged: The relaxation does not converge.
        BadCurve: E(V) or F(V, T) has no minimum, a negative curvature, or is rough; or gamma is out of range.
        BadElasticity: The crystal is mechanically unstable, and the Poisson ratio was to come from its elastic
            constants.
        UnknownModuli: The networks for elastic moduli were asked for and cannot predict those of the crystal.
    """
    settings = settings or AglSettings()
    relaxed = relax_crystal(
        crystal, potential, fmax=settings.fmax, max_steps=settings.max_steps, symprec=settings.symprec
    )
    return agl_of_relaxed(crystal, relaxed, potential, settings)


def agl_of_relaxed(crystal: Crystal, relaxed: RelaxedCrystal, potential: Potential, settings: AglSettings) -> AglResult:
    """AGL of a crystal that has been relaxed with the same potential.

    Args:
        crystal: Gives name, file and formula.
        relaxed: Its relaxed primitive cell.
        potential: The potential.
        settings: How AGL is done.

    Raises:
        EvaluationError, BadCurve, BadElasticity, UnknownModuli: As for `agl_of_crystal`.
    """
    atoms = relaxed.atoms
    start = perf_counter()
    curve = energy_curve(atoms, potential, settings)
    poisson = find_poisson_ratio(atoms, potential, settings)
    moduli = poisson.elastic.moduli if poisson.elastic else None
    n_atoms, mass = len(atoms), float(atoms.get_masses().sum())
    model = DebyeGruneisen(curve.fit, n_atoms, mass, poisson.value)
    reference = model.state(settings.reference_k)
    acoustic = acoustic_debye_temperature(reference.debye_temperature_k, n_atoms)
    kappa = slack_kappa(reference, mass, n_atoms, np.array([300.0, *settings.temperatures_k]))
    lower, upper = _interval(float(kappa[0]), potential, poisson, settings)
    states = [_state_or_none(model, t) for t in settings.temperatures_k]
    return AglResult(
        id=crystal.id,
        file=crystal.file,
        formula=crystal.formula,
        kappa_w_mk=float(kappa[0]),
        lower_w_mk=lower,
        upper_w_mk=upper,
        debye_temperature_k=reference.debye_temperature_k,
        acoustic_debye_temperature_k=acoustic,
        lowest_reliable_k=CLASSICAL_FROM * acoustic,
        gruneisen=reference.gruneisen,
        bulk_modulus_gpa=reference.bulk_modulus_static_gpa,
        shear_modulus_gpa=moduli.shear if moduli else None,
        poisson_ratio=poisson.value,
        poisson_source=poisson.source,
        elastic_poisson_ratio=moduli.poisson_ratio if moduli else None,
        elastic_bulk_modulus_gpa=moduli.bulk if moduli else None,
        static_bulk_modulus_gpa=curve.fit.bulk_modulus(curve.fit.v0),
        bulk_modulus_derivative=curve.fit.bulk_modulus_derivative(curve.fit.v0),
        static_volume_a3=curve.fit.v0,
        volume_a3=reference.volume,
        energy_per_atom_ev=curve.fit.energy(curve.fit.v0) / n_atoms,
        heat_capacity_v=reference.heat_capacity_v / BOLTZMANN_EV,
        heat_capacity_p=reference.heat_capacity_p / BOLTZMANN_EV,
        thermal_expansion_per_k=reference.thermal_expansion,
        n_atoms=n_atoms,
        mass_u=mass,
        space_group=relaxed.space_group,
        ions_fixed=poisson.elastic.ions_fixed if poisson.elastic else None,
        potential=str(potential),
        seconds=perf_counter() - start,
        warnings=(
            *crystal.remarks,
            *relaxed.warnings,
            *_curve_warnings(curve),
            *poisson.warnings,
            *_unusual(reference, poisson, curve),
            *_without_equilibrium(settings.temperatures_k, states),
        ),
        temperatures_k=settings.temperatures_k,
        kappa_by_temperature_w_mk=tuple(kappa[1:].tolist()),
        heat_capacity_v_by_temperature=tuple(None if s is None else s.heat_capacity_v / BOLTZMANN_EV for s in states),
        thermal_expansion_by_temperature_per_k=tuple(None if s is None else s.thermal_expansion for s in states),
        volume_by_temperature_a3=tuple(None if s is None else s.volume for s in states),
        stiffness_gpa=tuple(map(tuple, poisson.elastic.stiffness.tolist())) if poisson.elastic else None,
        curve_volumes_a3=tuple(curve.volumes.tolist()),
        curve_energies_ev=tuple(curve.energies.tolist()),
    )


def energy_curve(atoms: Atoms, potential: Potential, settings: AglSettings) -> EnergyCurve:
    """Energies of the isotropically scaled cell, and their fit.

    Args:
        atoms: Relaxed cell.
        potential: The potential.
        settings: `window`, `n_volumes` and `fit` are used.

    Raises:
        EvaluationError: The potential fails or gives unphysical numbers.
        BadCurve: As for `fit_equation_of_state`.
    """
    cells = []
    for factor in np.linspace(1.0 - settings.window, 1.0 + settings.window, settings.n_volumes):
        cell = atoms.copy()
        cell.set_cell(atoms.cell.array * factor, scale_atoms=True)
        cells.append(cell)
    volumes = np.array([cell.get_volume() for cell in cells])
    energies = potential.energies(cells)
    return EnergyCurve(volumes, energies, fit_equation_of_state(volumes, energies, settings.fit))


def _interval(
    kappa: float, potential: Potential, poisson: PoissonRatio, settings: AglSettings
) -> tuple[float, float] | tuple[None, None]:
    """The interval of AFLOW's value, W/(m K), if this potential with these settings is calibrated."""
    free = {name: getattr(settings, name) for name in ("poisson", "temperatures_k")}
    calibration = shipped_agl_calibrations().find(potential.name, poisson.source)
    if calibration is None or settings != AglSettings(**free):
        return None, None
    return calibration.interval(kappa)


def _curve_warnings(curve: EnergyCurve) -> list[str]:
    if curve.fit.roughness > UNUSUAL_ROUGHNESS * np.ptp(curve.energies):
        return ["the energies are not smooth: they deviate from a fit by more than 1 % of their range"]
    return []


def _unusual(state: ThermalState, poisson: PoissonRatio, curve: EnergyCurve) -> list[str]:
    found = []
    low, high = USUAL_GRUNEISEN
    if not low <= state.gruneisen <= high:
        found.append(f"a Grüneisen parameter of {state.gruneisen:.2f} is unusual: kappa may be off by a factor")
    low, high = USUAL_POISSON
    if not low <= poisson.value <= high:
        found.append(f"a Poisson ratio of {poisson.value:.2f} is unusual: kappa may be off by a factor")
    if poisson.elastic and not 0.5 < poisson.elastic.moduli.bulk / curve.fit.bulk_modulus(curve.fit.v0) < 2.0:
        found.append("the bulk moduli from energies and from stresses differ by more than a factor of two")
    return found


def _without_equilibrium(temperatures_k: tuple[float, ...], states: list[ThermalState | None]) -> list[str]:
    if None not in states:
        return []
    lowest = temperatures_k[states.index(None)]
    return [f"from {lowest:g} K on there is no equilibrium volume within the window"]


def _state_or_none(model: DebyeGruneisen, temperature_k: float) -> ThermalState | None:
    try:
        return model.state(temperature_k)
    except BadCurve:
        return None
