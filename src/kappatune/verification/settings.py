"""How kappa of a crystal is computed: one frozen object that rejects invalid physics, and three qualities of it."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from kappatune.settings import BadSettings, Settings

Quality = Literal["quick", "standard", "converged"]
ThirdOrder = Literal["pairs", "fewest forces"]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]

DEFAULT_TEMPERATURES_K = (200.0, 300.0, 400.0, 600.0, 800.0, 1000.0)
"""Temperatures of kappa(T) unless others are given, K."""


class VerifySettings(Settings):
    """How kappa is computed with a potential. The defaults are the quality `standard`.

    Attributes:
        temperatures_k: Temperatures of kappa(T), K; 300 K is always among them.
        symprec: Distance within which the symmetry of the crystal as given holds, Å. Cells rounded in print lose their
            space group at phonopy's 1e-5.
        fmax: Largest force left by the relaxation, eV/Å.
        max_steps: Steps after which the relaxation has failed.
        displacement: Length of the displacements, Å.
        max_atoms: Most atoms of the supercell in which pairs of atoms are displaced (third order).
        max_harmonic_atoms: Most atoms of the supercell in which single atoms are displaced (second order).
        pair_cutoff: Largest distance between two displaced atoms, Å; by default it follows from `reach`.
        reach: The pair cutoff in units of the cube root of the volume per atom. The cutoff is then moved, by at most
            10 %, into the widest gap between the neighbour distances of the crystal. In rocksalt the shells lie at 1,
            1.41, 1.73; in zincblende at 0.87, 1.41, 1.66.
        third_order: `pairs`: from displaced pairs of atoms. `fewest forces`: from snapshots, in which all atoms are
            displaced at random, for crystals for which these take at most half as many force calculations
            (`kappatune.verification.snapshots`), and from pairs for all others.
        mesh_length: The number of q-points along a lattice vector is this length over that of the vector, Å, and at
            least 3.
        mesh_tolerance: The mesh is converged when kappa at 300 K changes by no more than this fraction from the mesh
            before, which is coarser along every vector: the mean, and each of xx, yy and zz relative to the largest.
        max_refinements: How often the mesh length may grow by a quarter before the mesh counts as not converged.
        solution: `rta`, the relaxation-time approximation, or `direct`, the direct solution of the linearised
            Boltzmann equation (Chaput, Phys. Rev. Lett. 110, 265506 (2013)).
        wigner: Add the coherences between bands (Simoncelli, Marzari, Mauri, Nat. Phys. 15, 809 (2019)).
        boundary_nm: Length that no phonon flies beyond, nm, as that of grains or the thickness of a film: each mode is
            scattered at its speed over this length, and not at all by default.
        isotopes: Scattering by the natural isotopes (Tamura, Phys. Rev. B 27, 858 (1983)).
        imaginary_tolerance_thz: A mode further below zero than this is imaginary, THz.
        max_forces: A crystal that needs more force calculations than this is too large.
    """

    temperatures_k: tuple[Positive, ...] = (300.0,)
    symprec: Positive = Field(default=1e-3, le=0.1)
    fmax: Positive = Field(default=1e-4, le=1e-2)
    max_steps: int = Field(default=500, ge=1)
    displacement: Positive = Field(default=0.03, ge=1e-3, le=0.1)
    max_atoms: int = Field(default=120, ge=8)
    max_harmonic_atoms: int = Field(default=220, ge=8)
    pair_cutoff: Positive | None = None
    reach: Positive = Field(default=1.55, ge=0.8)
    third_order: ThirdOrder = "pairs"
    mesh_length: Positive = Field(default=30.0, ge=8.0, le=300.0)
    mesh_tolerance: Positive = Field(default=0.1, le=0.5)
    max_refinements: int = Field(default=2, ge=0)
    solution: Literal["rta", "direct"] = "rta"
    wigner: bool = False
    isotopes: bool = True
    boundary_nm: Positive | None = Field(default=None, ge=1.0)
    imaginary_tolerance_thz: float = Field(default=0.05, ge=0, le=1.0)
    max_forces: int = Field(default=4000, ge=1)

    @field_validator("temperatures_k")
    @classmethod
    def _with_300_k(cls, temperatures: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 1.0 <= t <= 5000.0 for t in temperatures):
            raise ValueError("temperatures must lie between 1 and 5000 K")
        return tuple(sorted({300.0, *temperatures}))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.max_harmonic_atoms < self.max_atoms:
            raise ValueError(
                f"the harmonic supercell ({self.max_harmonic_atoms} atoms at most) must not be smaller than the other "
                f"({self.max_atoms}): second-order force constants reach further"
            )
        if self.pair_cutoff is not None and self.pair_cutoff < 1.5:
            raise ValueError(f"a pair cutoff of {self.pair_cutoff:g} Å is shorter than any bond: give at least 1.5 Å")
        return self

    @model_serializer(mode="wrap")
    def _without_new_defaults(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Rows, and the names of finished steps, are those of 0.1.0 unless a later setting is used."""
        fields: dict[str, Any] = serialise(self)
        if self.boundary_nm is None:
            fields.pop("boundary_nm", None)
        if self.third_order == "pairs":
            fields.pop("third_order", None)
        return fields

    @classmethod
    def of(cls, quality: Quality = "standard", **changes: Any) -> Self:
        """The settings of a quality, with some fields changed.

        Raises:
            BadSettings: There is no such quality or field, or a value makes no sense.
        """
        if quality not in QUALITIES:
            raise BadSettings(f"there is no quality '{quality}': choose from {', '.join(QUALITIES)}")
        return cls(**QUALITIES[quality] | changes)

    @property
    def nearest_quality(self) -> Quality:
        """The highest quality whose supercell for third order these settings allow; `quick` if none."""
        allowed: list[Quality] = [name for name in QUALITIES if self.max_atoms >= self.of(name).max_atoms]
        return allowed[-1] if allowed else "quick"

    @property
    def less_than_quick(self) -> tuple[str, ...]:
        """Names of the settings with which kappa is computed with less than at `quick`, or not as at any quality."""
        quick = self.of("quick")
        smaller = [
            name for name in ("max_atoms", "max_harmonic_atoms", "reach") if getattr(self, name) < getattr(quick, name)
        ]
        others = {"pair_cutoff": self.pair_cutoff is not None, "isotopes": not self.isotopes}
        return (*smaller, *(name for name, differs in others.items() if differs))

    def index_of_300_k(self) -> int:
        """Position of 300 K among the temperatures."""
        return next(k for k, t in enumerate(self.temperatures_k) if math.isclose(t, 300.0))


QUALITIES: dict[Quality, dict[str, Any]] = {
    "quick": {
        "max_atoms": 80,
        "max_harmonic_atoms": 80,
        "reach": 1.2,
        "mesh_length": 20.0,
        "mesh_tolerance": 0.2,
    },
    "standard": {},
    "converged": {
        "max_atoms": 220,
        "max_harmonic_atoms": 520,
        "reach": 1.85,
        "mesh_length": 50.0,
        "mesh_tolerance": 0.05,
        "max_forces": 20_000,
    },
}
"""How each quality differs from `standard`."""
