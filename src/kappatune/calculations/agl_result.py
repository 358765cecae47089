"""The result of AGL for one crystal."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

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
"""Fields that are lists: JSON has them, CSV does not."""


class AglResult(BaseModel):
    """AGL of one crystal, or why there is none. Cells are primitive; theta is that of the whole primitive cell.

    Theta, gamma, volume and what follows from them are those at `AglSettings.reference_k`, 300 K by default.

    Attributes:
        id: Name of the crystal.
        file: File it came from.
        formula: Reduced formula.
        kappa_w_mk: Lattice thermal conductivity at 300 K, W/(m K), as the potential gives it.
        lower_w_mk: Lower end of the interval that is meant to hold nine in ten of AFLOW's AGL values, W/(m K); null
            where potential, source of the Poisson ratio and settings are not calibrated.
        upper_w_mk: Upper end, W/(m K).
        debye_temperature_k: Debye temperature of the whole primitive cell, K.
        acoustic_debye_temperature_k: The same times n^(-1/3), K.
        lowest_reliable_k: A third of that, K: below it kappa no longer falls as 1/T, whatever the list says.
        gruneisen: Grüneisen parameter.
        bulk_modulus_gpa: Static bulk modulus at that volume, GPa: the one theta is made of.
        shear_modulus_gpa: Hill's shear modulus from the potential's elastic constants, GPa; null without them.
        poisson_ratio: The one theta is made of.
        poisson_source: Where it comes from.
        elastic_poisson_ratio: The one of the potential's elastic constants; null without them.
        elastic_bulk_modulus_gpa: Hill's bulk modulus from the elastic constants, GPa; null without them.
        static_bulk_modulus_gpa: Bulk modulus at the lowest energy, GPa.
        bulk_modulus_derivative: dB/dP at the lowest energy.
        static_volume_a3: Volume of lowest energy, Å^3.
        volume_a3: Volume, Å^3.
        energy_per_atom_ev: Lowest energy per atom, eV.
        heat_capacity_v: In k_B per primitive cell.
        heat_capacity_p: In k_B per primitive cell.
        thermal_expansion_per_k: Of the volume, 1/K.
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
    lower_w_mk: float | None = None
    upper_w_mk: float | None = None
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
    temperatures_k: tuple[float, ...] = Field(default=(), repr=False)
    kappa_by_temperature_w_mk: tuple[float, ...] = Field(default=(), repr=False)
    heat_capacity_v_by_temperature: tuple[float | None, ...] = Field(default=(), repr=False)
    thermal_expansion_by_temperature_per_k: tuple[float | None, ...] = Field(default=(), repr=False)
    volume_by_temperature_a3: tuple[float | None, ...] = Field(default=(), repr=False)
    stiffness_gpa: tuple[tuple[float, ...], ...] | None = Field(default=None, repr=False)
    curve_volumes_a3: tuple[float, ...] = Field(default=(), repr=False)
    curve_energies_ev: tuple[float, ...] = Field(default=(), repr=False)
