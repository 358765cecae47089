"""How far the phonon values of a potential lie from DFT: what the verdict and the best estimate rest on.

The numbers ship with the package. `studies.phonons.calibration` makes them from phonon values of crystals with a
conductivity by DFT, each crystal judged without the others of its formula.
"""

from __future__ import annotations

import json
from functools import cache
from math import exp, log
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from kappatune.model.intervals import INTERVAL_SIGMAS
from kappatune.potentials.calibration import PotentialCalibration
from kappatune.storage import ASSETS
from kappatune.verification.settings import Quality, VerifySettings

SHIPPED = ASSETS / "verification" / "calibration.json"
"""The calibrations that ship with the package."""


class PhononCalibration(PotentialCalibration):
    """How values of one potential at one quality lie to DFT values, which are taken to include coherences.

    The value that bias and range refer to is kappa + `typical_coherences_w_mk`.

    Attributes:
        quality: Quality of the values.
        coherences: Whether the values include the coherences between bands.
        typical_coherences_w_mk: What the coherences of these crystals add in the median, W/(m K), where the values lack
            them; 0 where they include them.
        n_asked: Crystals with a DFT value that were verified.
        n_imaginary: How many of these have imaginary modes in the potential.
        correlation: Of the errors of prediction and phonon value, drawn to zero for lack of crystals.
        n_shared: Crystals that it was estimated on, of formulas the model had not learnt.
        best_factor: Half-width of the interval of the best estimate, in standard deviations.
        coverage_best: Fraction of the n_shared values in intervals of the best estimate that were made without their
            formula; None if there are none.
    """

    quality: Quality
    coherences: bool
    typical_coherences_w_mk: float = Field(ge=0)
    n_asked: int = Field(ge=1)
    n_imaginary: int = Field(ge=0)
    correlation: float = Field(gt=-1, lt=1)
    n_shared: int = Field(ge=0)
    best_factor: float = Field(gt=0)
    coverage_best: float | None = Field(ge=0, le=1)

    def without_bias(self, kappa: float) -> float:
        """The DFT value to expect, W/(m K), where the potential gives `kappa`, W/(m K)."""
        return exp(self.expected_ln(log(kappa + self.typical_coherences_w_mk)))

    @property
    def standard_deviation_ln(self) -> float:
        """Of ln kappa_DFT, if the range were that of a normal distribution."""
        return self.half_width_ln / INTERVAL_SIGMAS

    @property
    def basis(self) -> str:
        """What it rests on, in words."""
        return f"calibrated on {self.n} crystals at {self.quality}"

    @property
    def imaginary(self) -> str:
        """How much imaginary modes say, in words."""
        return (
            f"{self.potential} gives imaginary modes for {self.n_imaginary} of {self.n_asked} crystals that have a "
            "conductivity by DFT"
        )


class Calibrations(BaseModel):
    """All calibrations.

    Attributes:
        date: When they were made, ISO 8601.
        model: The model whose errors are correlated with those of the potentials.
        calibrations: One for each potential, quality and treatment of coherences with enough values.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    date: str
    model: str
    calibrations: tuple[PhononCalibration, ...]

    @classmethod
    def read(cls, path: Path = SHIPPED) -> Self:
        """Read a file of calibrations."""
        return cls.model_validate(json.loads(path.read_text(encoding="utf-8")))

    def find(self, potential: str, settings: VerifySettings) -> PhononCalibration | None:
        """The calibration for values of a potential; that of another quality where its own has too few values.

        Returns:
            None if the potential is not calibrated.
        """
        own = [one for one in self.calibrations if (one.potential, one.coherences) == (potential, settings.wigner)]
        return max(own, key=lambda one: (one.quality == settings.nearest_quality, one.n), default=None)


@cache
def shipped_calibrations() -> Calibrations:
    """Those that ship with the package."""
    return Calibrations.read()
