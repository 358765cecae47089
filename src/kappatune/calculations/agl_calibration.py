"""How far AGL with a potential lies from AFLOW's AGL values: what the interval of `kappatune agl` rests on.

The numbers ship with the package. `studies.agl.calibration` makes them from a random sample of AFLOW's crystals, each
judged without the others of its formula.
"""

from __future__ import annotations

import json
from functools import cache
from math import exp, log

from pydantic import BaseModel, ConfigDict

from kappatune.potentials.calibration import PotentialCalibration
from kappatune.storage import ASSETS

SHIPPED = ASSETS / "agl" / "calibration.json"
"""The calibrations that ship with the package."""


class AglCalibration(PotentialCalibration):
    """How values of one potential, with Poisson ratios of one source, lie to AFLOW's.

    Attributes:
        poisson_source: As in the rows of `kappatune agl`.
    """

    poisson_source: str

    def interval(self, kappa: float) -> tuple[float, float]:
        """Ends of the interval of AFLOW's value, W/(m K), where the potential gives `kappa`, W/(m K)."""
        expected = self.expected_ln(log(kappa))
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
