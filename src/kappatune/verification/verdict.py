"""What the phonon value says of a prediction, by a stated rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kappatune.potentials.base import Potential

Verdict = Literal["agrees", "prediction too low", "prediction too high", "not judged"]

WORST_JUDGE = -1.0
"""kappa_SRD below which a potential is no judge: its values are more than three times too low."""


@dataclass(frozen=True)
class Standing:
    """How a potential does on phononDB-103, 103 binaries with kappa from DFT (Póta et al., arXiv 2408.00755).

    Attributes:
        srd: kappa_SRD, mean of 2 (kappa - kappa_DFT) / (kappa + kappa_DFT): its bias, -2 to 2.
        srme: kappa_SRME, the same of every phonon's share, absolute: bounds the error of kappa from above, 0 to 2.
    """

    srd: float
    srme: float | None = None

    @property
    def bias_factor(self) -> float:
        """What the bias amounts to as kappa / kappa_DFT: (2 + SRD) / (2 - SRD)."""
        return (2 + self.srd) / (2 - self.srd)

    @property
    def error_factor(self) -> float | None:
        """What the error amounts to as a factor: (2 + SRME) / (2 - SRME)."""
        return None if self.srme is None else (2 + self.srme) / (2 - self.srme)


STANDINGS: dict[str, Standing] = {
    "CHGNet": Standing(-1.7),
    "SevenNet-0": Standing(-0.55, 0.76),
    "SevenNet-l3i5": Standing(-0.37, 0.55),
    "nequix-mp-1-pft": Standing(-0.10, 0.307),
}
"""By the name of the potential; figures of the Matbench Discovery board as of November 2026."""


@dataclass(frozen=True)
class Judgement:
    """What to think of a prediction.

    Attributes:
        verdict: In two words.
        because: In a sentence.
        lower: Lower end of the range in which the potential places kappa, W/(m K); None if it is no judge.
        upper: Upper end, W/(m K).
        agl_agrees: Whether the AGL value lies in the range; None without one.
    """

    verdict: Verdict
    because: str
    lower: float | None = None
    upper: float | None = None
    agl_agrees: bool | None = None


def judge(
    kappa: float, potential: Potential, interval: tuple[float, float] | None, agl_kappa: float | None
) -> Judgement:
    """Hold a prediction against a phonon value.

    The rule: kappa is divided by the bias factor of its potential; the range from 1/f to f times that, f being the
    potential's error factor, is where the potential places kappa. The prediction agrees if its interval and that range
    have a value in common. A potential without a known standing, or with kappa_SRD below -1, judges nothing.

    Args:
        kappa: Phonon value at 300 K, W/(m K).
        potential: What it was computed with.
        interval: Of the prediction, W/(m K); None without one.
        agl_kappa: AGL value, W/(m K); None without one.
    """
    standing = STANDINGS.get(potential.name)
    if standing is None:
        return Judgement("not judged", f"how far kappa by {potential.name} is off is not known")
    if standing.srd < WORST_JUDGE or standing.error_factor is None:
        return Judgement(
            "not judged",
            f"{potential.name} is no judge of kappa: its values are about {1 / standing.bias_factor:.0f} times too low",
        )
    centre = kappa / standing.bias_factor
    lower, upper = centre / standing.error_factor, centre * standing.error_factor
    agl_agrees = None if agl_kappa is None else lower <= agl_kappa <= upper
    place = f"{potential.name} places kappa between {lower:.3g} and {upper:.3g} W/(m K)"
    if interval is None:
        return Judgement("not judged", f"{place}; there is no prediction to hold against it", lower, upper, agl_agrees)
    said = f"{place}, the prediction between {interval[0]:.3g} and {interval[1]:.3g}"
    verdict: Verdict = "agrees"
    if interval[1] < lower:
        verdict = "prediction too low"
    elif interval[0] > upper:
        verdict = "prediction too high"
    return Judgement(verdict, said, lower, upper, agl_agrees)
