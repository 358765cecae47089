"""AGL for one crystal: relax, strain, fit, kappa."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Literal

import numpy as np
from ase.units import GPa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from kappatune.calculations.elasticity import elastic_constants
from kappatune.calculations.poisson import SOURCE, UnknownModuli, network_poisson_ratio
from kappatune.calculations.relax import primitive_cell, relax
from kappatune.errors import UserError
from kappatune.physics.debye_gruneisen import BOLTZMANN_EV, DebyeGruneisen, ThermalState, slack_kappa
from kappatune.physics.elastic import BadElasticity, Moduli, isotropic_moduli
from kappatune.physics.equation_of_state import BadCurve, EquationOfState, Fit, fit_equation_of_state
from kappatune.physics.slack import CLASSICAL_FROM, acoustic_debye_temperature
from kappatune.potentials.base import Potential
from kappatune.structures import Crystal, check

if TYPE_CHECKING:
    from ase import Atoms

MAX_STRESS_GPA = 1.0
"""A relaxed crystal is under no stress; more than this left is a potential that contradicts itself."""

ROUGH = 0.01
"""Residual of the fit over the range of the energies above which a warning is given."""

CURVES = (
    "temperatures_k",
    "kappa_by_temperature_w_mk",
    "heat_capacity_v_by_temperature",
    "thermal_expansion_by_temperature_per_k",
    "volume_by_temperature_a3",
    "stiffness_gpa",
    "curve_volumes_a3",
    "curve_energies_ev",
)
"""Fields of an answer that are lists: JSON has them, CSV has not."""

UNLIKELY_POISSON = (0.0, 0.45)
UNLIKELY_GRUNEISEN = (1.0, 3.5)


@dataclass(frozen=True)
class AglSettings:
    """How AGL is done.

    Attributes:
        symprec: Distance within which symmetry holds, Å.
        fmax: Largest force left by the relaxation, eV/Å.
        max_steps: Steps after which the relaxation has failed.
        window: Largest linear strain of the volumes; 0.14 is +-14 % in length.
        n_volumes: Volumes, evenly spaced in length.
        fit: Equation of state: `averaged` or `birch-murnaghan`.
        poisson: Where the Poisson ratio comes from: `elastic`, the potential's elastic constants, which must be those
            of a stable crystal; `network`, the shipped networks for elastic moduli; a number. `auto` computes the
            elastic constants and takes the ratio from them, or from the networks where the potential is known to be
            soft in shear. The others compute no elastic constants.
        strain: Size of the strains for the elastic constants.
        displacement: Length of the displacements for the relaxation of the ions, Å.
        temperatures_k: At which kappa and the thermal properties are given, K.
        reference_k: Whose theta, gamma and volume give kappa, K.
    """

    symprec: float = 1e-3
    fmax: float = 1e-3
    max_steps: int = 300
    window: float = 0.14
    n_volumes: int = 15
    fit: Fit = "averaged"
    poisson: Literal["auto", "elastic", "network"] | float = "auto"
    strain: float = 0.01
    displacement: float = 0.02
    temperatures_k: tuple[float, ...] = tuple(float(t) for t in range(100, 1001, 50))
    reference_k: float = 300.0

    def __post_init__(self) -> None:
        """Refuse what no calculation can use.

        Raises:
            UserError: A setting is out of range.
        """
        if not isinstance(self.poisson, str) and not -1.0 < self.poisson < 0.5:
            raise UserError(f"the Poisson ratio is {self.poisson:g}: give one between -1 and 0.5")
        if not self.temperatures_k or min(self.temperatures_k) <= 0:
            raise UserError("temperatures must be above 0 K, and there must be at least one")
        if self.n_volumes < 7 or not 0.0 < self.window < 0.5:
            raise UserError("an equation of state needs at least seven volumes within less than +-50 % in length")


class AglResult(BaseModel):
    """AGL of one crystal, or why there is none. Cells are primitive; theta is that of the whole primitive cell.

    Attributes:
        id: Name of the crystal.
        file: File it came from.
        formula: Reduced formula.
        kappa_w_mk: Lattice thermal conductivity at 300 K, W/(m K).
        debye_temperature_k: Debye temperature of the whole primitive cell at 300 K, K.
        acoustic_debye_temperature_k: The same times n^(-1/3), K.
        lowest_reliable_k: A third of that, K: below it kappa no longer falls as 1/T, whatever the list says.
        gruneisen: Grüneisen parameter at 300 K.
        bulk_modulus_gpa: Static bulk modulus at the volume of 300 K, GPa: the one theta is made of.
        shear_modulus_gpa: Hill's shear modulus from the potential's elastic constants, GPa; null without them.
        poisson_ratio: The one theta is made of.
        poisson_source: Where it comes from.
        elastic_poisson_ratio: The one of the potential's elastic constants; null without them.
        elastic_bulk_modulus_gpa: Hill's bulk modulus from the elastic constants, GPa; null without them.
        static_bulk_modulus_gpa: Bulk modulus at the lowest energy, GPa.
        bulk_modulus_derivative: dB/dP at the lowest energy.
        static_volume_a3: Volume of lowest energy, Å^3.
        volume_a3: Volume at 300 K, Å^3.
        energy_per_atom_ev: Lowest energy per atom, eV.
        heat_capacity_v: At 300 K, in k_B per primitive cell.
        heat_capacity_p: At 300 K, in k_B per primitive cell.
        thermal_expansion_per_k: Of the volume at 300 K, 1/K.
        n_atoms: Atoms in the primitive cell.
        mass_u: Mass of the primitive cell, u.
        space_group: International number, after relaxation.
        ions_fixed: Whether symmetry fixes every atom under every strain, so that no ions had to be relaxed; null
            without elastic constants.
        potential: Name and version of the potential.
        seconds: Wall time without the relaxation, s.
        warnings: What is unusual, though the numbers stand.
        reason: Why there is no answer.
        temperatures_k: Temperatures, K.
        kappa_by_temperature_w_mk: kappa at each, W/(m K), with theta and gamma of 300 K.
        heat_capacity_v_by_temperature: In k_B per primitive cell; null where the crystal has no equilibrium volume.
        thermal_expansion_by_temperature_per_k: 1/K; null as above.
        volume_by_temperature_a3: Å^3; null as above.
        stiffness_gpa: (6, 6) elastic constants in Voigt order, GPa.
        curve_volumes_a3: Volumes of the equation of state, Å^3.
        curve_energies_ev: Their energies, eV per primitive cell.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    file: str | None = None
    formula: str | None = None
    kappa_w_mk: float | None = None
    debye_temperature_k: float | None = None
    acoustic_debye_temperature_k: float | None = None
    lowest_reliable_k: float | None = None
    gruneisen: float | None = None
    bulk_modulus_gpa: float | None = None
    shear_modulus_gpa: float | None = None
    poisson_ratio: float | None = None
    poisson_source: str | None = None
    elastic_poisson_ratio: float | None = None
    elastic_bulk_modulus_gpa: float | None = None
    static_bulk_modulus_gpa: float | None = None
    bulk_modulus_derivative: float | None = None
    static_volume_a3: float | None = None
    volume_a3: float | None = None
    energy_per_atom_ev: float | None = None
    heat_capacity_v: float | None = None
    heat_capacity_p: float | None = None
    thermal_expansion_per_k: float | None = None
    n_atoms: int | None = None
    mass_u: float | None = None
    space_group: int | None = None
    ions_fixed: bool | None = None
    potential: str | None = None
    seconds: float | None = None
    warnings: tuple[str, ...] = ()
    reason: str | None = None
    temperatures_k: tuple[float, ...] = ()
    kappa_by_temperature_w_mk: tuple[float, ...] = ()
    heat_capacity_v_by_temperature: tuple[float | None, ...] = ()
    thermal_expansion_by_temperature_per_k: tuple[float | None, ...] = ()
    volume_by_temperature_a3: tuple[float | None, ...] = ()
    stiffness_gpa: tuple[tuple[float, ...], ...] | None = None
    curve_volumes_a3: tuple[float, ...] = ()
    curve_energies_ev: tuple[float, ...] = ()


@dataclass(frozen=True)
class Relaxed:
    """A relaxed crystal.

    Attributes:
        atoms: Primitive standard cell.
        space_group: International number.
        warnings: What is unusual.
    """

    atoms: Atoms
    space_group: int
    warnings: tuple[str, ...] = ()


def agl(crystal: Crystal, potential: Potential, settings: AglSettings | None = None) -> AglResult:
    """AGL of one crystal.

    The primitive standard cell is relaxed with its symmetry kept, then scaled; at the scaled volumes the fractional
    coordinates and the shape stay those of the relaxed cell, and the energies give B and gamma. The Poisson ratio, from
    elastic constants with relaxed ions or from elsewhere, stays constant in volume. See `physics.debye_gruneisen`.

    Args:
        crystal: Any cell of the crystal.
        potential: The potential.
        settings: How; `AglSettings()` by default.

    Returns:
        The answer, without a reason.

    Raises:
        BadCrystal: The crystal is none.
        EvaluationError: The potential fails or explodes.
        NotConverged: The relaxation finds no rest.
        BadCurve: E(V) or F(V, T) has no minimum, a negative curvature, or wiggles; or gamma is out of range.
        BadElasticity: The crystal is mechanically unstable, and the Poisson ratio was to come from that.
        UnknownModuli: The networks for elastic moduli were asked for and cannot judge the crystal.
    """
    settings = settings or AglSettings()
    relaxed = relaxed_crystal(crystal, potential, settings)
    return agl_of_relaxed(crystal, relaxed, potential, settings)


def agl_of_relaxed(crystal: Crystal, relaxed: Relaxed, potential: Potential, settings: AglSettings) -> AglResult:
    """AGL of a crystal that `relaxed_crystal` has relaxed with the same potential and settings.

    Raises:
        EvaluationError, BadCurve, BadElasticity, UnknownModuli: As `agl`.
    """
    warnings, atoms = list(relaxed.warnings), relaxed.atoms
    start = perf_counter()
    volumes, energies, curve = energy_curve(atoms, potential, settings)
    if curve.residual > ROUGH * np.ptp(energies):
        warnings.append("the energies are rough: they leave the fit by more than 1 % of their range")
    elasticity = _elasticity(atoms, potential, settings, warnings)
    ratio, source = _poisson_ratio(atoms, elasticity, potential, settings, warnings)
    moduli = elasticity.moduli if elasticity else None
    n_atoms, mass = len(atoms), float(atoms.get_masses().sum())
    model = DebyeGruneisen(curve, n_atoms, mass, ratio)
    at = model.state(settings.reference_k)
    acoustic = acoustic_debye_temperature(at.debye_temperature_k, n_atoms)
    temperatures = np.array(settings.temperatures_k)
    kappa = slack_kappa(at, mass, n_atoms, np.array([300.0, *temperatures]))
    warnings += _unlikely(at, ratio)
    if moduli and not 0.5 < moduli.bulk / curve.bulk_modulus(curve.v0) < 2.0:
        warnings.append("the bulk moduli from energies and from stresses differ by more than a factor of two")
    states = [_state_or_none(model, t) for t in settings.temperatures_k]
    if None in states:
        hottest = settings.temperatures_k[states.index(None)]
        warnings.append(f"from {hottest:g} K on there is no equilibrium volume within the window")
    return AglResult(
        id=crystal.id,
        file=crystal.file,
        formula=crystal.formula,
        kappa_w_mk=float(kappa[0]),
        debye_temperature_k=at.debye_temperature_k,
        acoustic_debye_temperature_k=acoustic,
        lowest_reliable_k=CLASSICAL_FROM * acoustic,
        gruneisen=at.gruneisen,
        bulk_modulus_gpa=at.bulk_modulus_static_gpa,
        shear_modulus_gpa=moduli.shear if moduli else None,
        poisson_ratio=ratio,
        poisson_source=source,
        elastic_poisson_ratio=moduli.poisson_ratio if moduli else None,
        elastic_bulk_modulus_gpa=moduli.bulk if moduli else None,
        static_bulk_modulus_gpa=curve.bulk_modulus(curve.v0),
        bulk_modulus_derivative=curve.bulk_modulus_derivative(curve.v0),
        static_volume_a3=curve.v0,
        volume_a3=at.volume,
        energy_per_atom_ev=curve.energy(curve.v0) / n_atoms,
        heat_capacity_v=at.heat_capacity_v / BOLTZMANN_EV,
        heat_capacity_p=at.heat_capacity_p / BOLTZMANN_EV,
        thermal_expansion_per_k=at.thermal_expansion,
        n_atoms=n_atoms,
        mass_u=mass,
        space_group=relaxed.space_group,
        ions_fixed=elasticity.ions_fixed if elasticity else None,
        potential=str(potential),
        seconds=perf_counter() - start,
        warnings=tuple(warnings),
        temperatures_k=settings.temperatures_k,
        kappa_by_temperature_w_mk=tuple(kappa[1:].tolist()),
        heat_capacity_v_by_temperature=tuple(None if s is None else s.heat_capacity_v / BOLTZMANN_EV for s in states),
        thermal_expansion_by_temperature_per_k=tuple(None if s is None else s.thermal_expansion for s in states),
        volume_by_temperature_a3=tuple(None if s is None else s.volume for s in states),
        stiffness_gpa=tuple(tuple(row) for row in elasticity.stiffness.tolist()) if elasticity else None,
        curve_volumes_a3=tuple(volumes.tolist()),
        curve_energies_ev=tuple(energies.tolist()),
    )


@dataclass(frozen=True)
class _Elasticity:
    stiffness: NDArray[np.float64]
    moduli: Moduli
    ions_fixed: bool


def _elasticity(relaxed: Atoms, potential: Potential, settings: AglSettings, warnings: list[str]) -> _Elasticity | None:
    if settings.poisson not in ("auto", "elastic"):
        return None
    try:
        stiffness, ions_fixed = elastic_constants(
            relaxed,
            potential,
            strain=settings.strain,
            displacement=settings.displacement,
            symprec=settings.symprec,
        )
        return _Elasticity(stiffness, isotropic_moduli(stiffness), ions_fixed)
    except BadElasticity as error:
        if settings.poisson == "elastic" or not potential.soft_in_shear:
            raise
        warnings.append(f"{potential.name} finds it {error}")
        return None


def _poisson_ratio(
    relaxed: Atoms,
    elasticity: _Elasticity | None,
    potential: Potential,
    settings: AglSettings,
    warnings: list[str],
) -> tuple[float, str]:
    """The ratio, and where it comes from."""
    if not isinstance(settings.poisson, str):
        return settings.poisson, "given"
    if settings.poisson == "network" or (settings.poisson == "auto" and potential.soft_in_shear):
        try:
            return network_poisson_ratio(relaxed), SOURCE
        except UnknownModuli as error:
            if not elasticity:
                raise
            warnings.append(f"{error}: the Poisson ratio is that of a potential known to be too soft in shear")
    assert elasticity
    return elasticity.moduli.poisson_ratio, f"elastic constants of {potential.name}"


def energy_curve(
    relaxed: Atoms, potential: Potential, settings: AglSettings
) -> tuple[NDArray[np.float64], NDArray[np.float64], EquationOfState]:
    """Energies of the isotropically scaled cell, and their fit.

    Returns:
        (n_volumes,) Å^3 per cell, (n_volumes,) eV per cell, and the equation of state.

    Raises:
        EvaluationError: The potential fails or explodes.
        BadCurve: As `fit_equation_of_state`.
    """
    cells = []
    for factor in np.linspace(1.0 - settings.window, 1.0 + settings.window, settings.n_volumes):
        cell = relaxed.copy()
        cell.set_cell(relaxed.cell.array * factor, scale_atoms=True)
        cells.append(cell)
    volumes = np.array([cell.get_volume() for cell in cells])
    energies = potential.energies(cells)
    return volumes, energies, fit_equation_of_state(volumes, energies, settings.fit)


def relaxed_crystal(crystal: Crystal, potential: Potential, settings: AglSettings) -> Relaxed:
    """The relaxed primitive cell; reduced again, for a relaxation may restore symmetry.

    Raises:
        BadCrystal, EvaluationError, NotConverged: As `agl`.
    """
    warnings = []
    start, group_before = primitive_cell(check(crystal), settings.symprec)
    relaxed = relax(start, potential, fmax=settings.fmax, max_steps=settings.max_steps, symprec=settings.symprec)
    reduced, group = primitive_cell(Crystal.from_ase(relaxed), settings.symprec)
    if group != group_before:
        warnings.append(f"the relaxation changed the space group from {group_before} to {group}")
    (left,) = potential.evaluate([reduced])
    stress = float(np.abs(left.stress).max() / GPa)
    if stress > MAX_STRESS_GPA:
        warnings.append(f"the relaxed cell is still under a stress of {stress:.1f} GPa")
    return Relaxed(reduced, group, tuple(warnings))


def _unlikely(state: ThermalState, ratio: float) -> list[str]:
    found = []
    low, high = UNLIKELY_GRUNEISEN
    if not low <= state.gruneisen <= high:
        found.append(f"a Grüneisen parameter of {state.gruneisen:.2f} is unusual: kappa may be off by a factor")
    low, high = UNLIKELY_POISSON
    if not low <= ratio <= high:
        found.append(f"a Poisson ratio of {ratio:.2f} is unusual: kappa may be off by a factor")
    return found


def _state_or_none(model: DebyeGruneisen, temperature_k: float) -> ThermalState | None:
    try:
        return model.state(temperature_k)
    except BadCurve:
        return None
