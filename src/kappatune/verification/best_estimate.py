"""One best estimate from two measurements of one conductivity, and by how much they disagree."""

from __future__ import annotations

from math import exp, log, sqrt
from typing import NamedTuple, Self

from kappatune.model.intervals import INTERVAL_SIGMAS


class Measurement(NamedTuple):
    """A measurement of kappa.

    Attributes:
        ln_kappa: ln of kappa in W/(m K).
        sd_ln: Its standard deviation.
    """

    ln_kappa: float
    sd_ln: float

    @classmethod
    def of_interval(cls, kappa: float, lower: float, upper: float) -> Self:
        """A value with an interval that holds nine of ten, all in W/(m K)."""
        return cls(log(kappa), log(upper / lower) / 2 / INTERVAL_SIGMAS)

    def interval(self, factor: float = INTERVAL_SIGMAS) -> tuple[float, float]:
        """Its ends so many standard deviations from the value, W/(m K)."""
        return exp(self.ln_kappa - factor * self.sd_ln), exp(self.ln_kappa + factor * self.sd_ln)


class BestEstimate(NamedTuple):
    """What two measurements say together.

    Attributes:
        combined: Their weighted mean.
        weight: Weight of the first, between 0 and 1.
        disagreement: First minus second, in standard deviations of this difference.
    """

    combined: Measurement
    weight: float
    disagreement: float


def best_estimate(first: Measurement, second: Measurement, correlation: float) -> BestEstimate:
    """The weighted mean of two measurements whose errors are correlated.

    The weights are those of the best linear unbiased estimate (Lyons, Gibaut, Clifford, Nucl. Instrum. Methods A 270,
    110 (1988)), and lie between 0 and 1: a measurement that is much worse than the other, and errs with it, gets no
    weight. Where the two differ by more than one standard deviation, that of the mean grows by their disagreement, as
    the Particle Data Group scales its errors (Phys. Rev. D 110, 030001 (2024), introduction, 5.2.2).

    Args:
        first: One measurement.
        second: The other.
        correlation: Correlation coefficient of their errors, between -1 and 1.
    """
    shared = correlation * first.sd_ln * second.sd_ln
    of_difference = first.sd_ln**2 + second.sd_ln**2 - 2 * shared
    weight = min(max((second.sd_ln**2 - shared) / of_difference, 0.0), 1.0)
    variance = (weight * first.sd_ln) ** 2 + ((1 - weight) * second.sd_ln) ** 2 + 2 * weight * (1 - weight) * shared
    disagreement = (first.ln_kappa - second.ln_kappa) / sqrt(of_difference)
    mean = weight * first.ln_kappa + (1 - weight) * second.ln_kappa
    return BestEstimate(Measurement(mean, sqrt(variance) * max(1.0, abs(disagreement))), weight, disagreement)
