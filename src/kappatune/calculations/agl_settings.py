"""Settings of AGL, the Debye-Grüneisen model with energies of a potential."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from kappatune.physics.equation_of_state import Fit
from kappatune.settings import Settings

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
PoissonSource = Literal["auto", "elastic", "network"]


class AglSettings(Settings):
    """How AGL is done.

    Attributes:
        symprec: Distance within which symmetry holds, Å.
        fmax: Largest force left by the relaxation, eV/Å.
        max_steps: Steps after which the relaxation has failed.
        window: Largest linear strain of the volumes; 0.14 is +-14 % in length.
        n_volumes: Number of volumes, evenly spaced in length.
        fit: Equation of state: `averaged` or `birch-murnaghan`.
        poisson: Source of the Poisson ratio: `elastic`, the potential's elastic constants, which must be those of a
            stable crystal; `network`, the shipped networks for elastic moduli; or a number. `auto` computes the
            elastic constants and takes the ratio from them, or from the networks if the potential is known to be too
            soft in shear. `network` and a number need no elastic constants, and none are computed.
        strain: Size of the strains for the elastic constants.
        displacement: Length of the displacements for the relaxation of the ions under strain, Å.
        temperatures_k: Temperatures at which kappa and the thermal properties are given, K.
        reference_k: Temperature whose theta, gamma and volume give kappa, K.
    """

    symprec: Positive = 1e-3
    fmax: Positive = 1e-3
    max_steps: int = Field(default=300, ge=1)
    window: float = Field(default=0.14, gt=0, lt=0.5)
    n_volumes: int = Field(default=15, ge=7)
    fit: Fit = "averaged"
    poisson: PoissonSource | float = "auto"
    strain: Positive = 0.01
    displacement: Positive = 0.02
    temperatures_k: tuple[Positive, ...] = Field(default=tuple(float(t) for t in range(100, 1001, 50)), min_length=1)
    reference_k: Positive = 300.0

    @field_validator("poisson")
    @classmethod
    def _possible_ratio(cls, poisson: PoissonSource | float) -> PoissonSource | float:
        if not isinstance(poisson, str) and not -1.0 < poisson < 0.5:
            raise ValueError(f"the Poisson ratio must lie between -1 and 0.5, not {poisson:g}")
        return poisson
