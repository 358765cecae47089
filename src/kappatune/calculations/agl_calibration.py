"""How far AGL with a potential lies from AFLOW's AGL values: what the interval of `kappatune agl` rests on.

The numbers ship with the package. `studies.agl.calibration` makes them from a random sample of AFLOW's crystals, each
judged without the others of its formula.
"""

from __future__ import annotations

import json
from functools import cache
from math import exp, log

from pydantic import BaseModel, ConfigDict, Field

from kappatune.storage import ASSETS

SHIPPED = ASSETS / "agl" / "calibration.json"
"""The calibrations that ship with the package."""


class AglCalibration(BaseModel):
    """How values of one potential, with Poisson ratios of one source, lie to AFLOW's.

    ln(kappa_AFLOW / kappa) is `bias_ln` + `slope` (ln kappa - `centre_ln`), give or take `half_width_ln`.

    Attributes:
        potential: Name of the potential.
        poisson_source: As in the rows of `kappatune agl`.
        n: Crystals with both values.
        n_formulas: Number of their formulas.
        level: Fraction of AFLOW's values that the interval is to hold.
        bias_ln: At `centre_ln`.
        slope: Of the bias with ln kappa; 0 where it does not help.
        centre_ln: Mean of ln kappa, kappa in W/(m K).
        half_width_ln: Half of the interval of ln kappa_AFLOW.
        coverage: Fraction of the n values in intervals that were made without their formula.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    potential: str
    poisson_source: str
    n: int = Field(ge=1)
    n_formulas: int = Field(ge=1)
    level: float = Field(gt=0, lt=1)
    bias_ln: float
    slope: float
    centre_ln: float
    half_width_ln: float = Field(gt=0)
    coverage: float = Field(ge=0, le=1)

    def interval(self, kappa: float) -> tuple[float, float]:
        """Ends of the interval of AFLOW's value, W/(m K), where the potential gives `kappa`, W/(m K)."""
        expected = log(kappa) + self.bias_ln + self.slope * (log(kappa) - self.centre_ln)
        return exp(expected - self.half_width_ln), exp(expected + self.half_width_ln)


class AglCalibrations(BaseModel):
    """All calibrations.

    Attributes:
        date: When they were made, ISO 8601.
        calibrations: One for each potential and source of Poisson ratios that is calibrated.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    date: str
    calibrations: tuple[AglCalibration, ...]

    def find(self, potential: str, poisson_source: str) -> AglCalibration | None:
        """The calibration of a potential with Poisson ratios of a source; None if there is none."""
        wanted = (potential, poisson_source)
        return next((one for one in self.calibrations if (one.potential, one.poisson_source) == wanted), None)


@cache
def shipped_agl_calibrations() -> AglCalibrations:
    """Those that ship with the package."""
    return AglCalibrations.model_validate(json.loads(SHIPPED.read_text(encoding="utf-8")))
