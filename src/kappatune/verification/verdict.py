"""What the phonon value says about a prediction, by a stated rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kappatune.potentials import Potential

Verdict = Literal["agrees", "prediction too low", "prediction too high", "not judged"]

LOWEST_USABLE_SRD = -1.0
"""A potential with a kappa_SRD below this gives no verdict: its values are more than three times too low."""


@dataclass(frozen=True)
class PotentialAccuracy:
    """How a potential does on phononDB-103, 103 binaries with kappa from DFT (Póta et al., arXiv 2408.00755).

    Attributes:
        srd: kappa_SRD, the mean of 2 (kappa - kappa_DFT) / (kappa + kappa_DFT): the bias, -2 to 2.
        srme: kappa_SRME, the mean of the same difference summed over phonon modes in absolute value, 0 to 2. It
            bounds the mean error of kappa from above, not the error of one crystal.
    """

    srd: float
    srme: float | None = None

    @property
    def bias_factor(self) -> float:
        """The bias as kappa / kappa_DFT: (2 + SRD) / (2 - SRD)."""
        return (2 + self.srd) / (2 - self.srd)

    @property
    def error_factor(self) -> float | None:
        """The error as a factor: (2 + SRME) / (2 - SRME)."""
        return None if self.srme is None else (2 + self.srme) / (2 - self.srme)


POTENTIAL_ACCURACY: dict[str, PotentialAccuracy] = {
    "CHGNet": PotentialAccuracy(-1.7),
    "SevenNet-0": PotentialAccuracy(-0.55, 0.76),
    "SevenNet-l3i5": PotentialAccuracy(-0.37, 0.55),
    "nequix-mp-1-pft": PotentialAccuracy(-0.10, 0.307),
}
"""By name of the potential; figures of the Matbench Discovery leaderboard in November 2026."""


@dataclass(frozen=True)
class Assessment:
    """What to think of a prediction.

    Attributes:
        verdict: In a word or three.
        because: In a sentence.
        lower: Lower end of the range in which the potential places kappa, W/(m K); None if its accuracy is not known
            or too low.
        upper: Upper end, W/(m K).
        agl_agrees: Whether the AGL value lies in that range; None without one.
    """

    verdict: Verdict
    because: str
    lower: float | None = None
    upper: float | None = None
    agl_agrees: bool | None = None


def assess(
    kappa: float, potential: Potential, interval: tuple[float, float] | None, agl_kappa: float | None
) -> Assessment:
    """Compare a prediction with a phonon value.

    The rule: kappa is divided by the bias factor of its potential. The potential places kappa between this value
    divided by f and this value times f, where f is the error factor of the potential. The prediction agrees if its
    interval overlaps this range. A potential of unknown accuracy, or with a kappa_SRD below -1, gives no verdict.

    Args:
        kappa: Phonon value at 300 K, W/(m K).
        potential: The potential it was computed with.
        interval: Interval of the prediction, W/(m K); None without one.
        agl_kappa: AGL value, W/(m K); None without one.
    """
    accuracy = POTENTIAL_ACCURACY.get(potential.name)
    if accuracy is None:
        return Assessment("not judged", f"the accuracy of {potential.name} for kappa is not known")
    if accuracy.srd < LOWEST_USABLE_SRD or accuracy.error_factor is None:
        return Assessment(
            "not judged",
            f"{potential.name} is too inaccurate for a verdict: its kappa is about {1 / accuracy.bias_factor:.0f} "
            "times too low",
        )
    centre = kappa / accuracy.bias_factor
    lower, upper = centre / accuracy.error_factor, centre * accuracy.error_factor
    agl_agrees = None if agl_kappa is None else lower <= agl_kappa <= upper
    placed = f"{potential.name} places kappa between {lower:.3g} and {upper:.3g} W/(m K)"
    if interval is None:
        return Assessment("not judged", f"{placed}; there is no prediction to compare with", lower, upper, agl_agrees)
    because = f"{placed}, the prediction between {interval[0]:.3g} and {interval[1]:.3g}"
    verdict: Verdict = "agrees"
    if interval[1] < lower:
        verdict = "prediction too low"
    elif interval[0] > upper:
        verdict = "prediction too high"
    return Assessment(verdict, because, lower, upper, agl_agrees)
