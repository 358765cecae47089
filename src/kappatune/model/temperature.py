"""From the temperature that models are trained at to any other."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real

import numpy as np

from kappatune.errors import UserError
from kappatune.model.prediction import TRAINING_TEMPERATURE_K, Prediction, PredictionDetails
from kappatune.model.remarks import remarks_at_temperature
from kappatune.physics.slack import CLASSICAL_FROM


class BadTemperature(UserError):
    """A temperature that no crystal has."""


def checked_temperatures(temperature_k: float | Iterable[float]) -> list[float]:
    """The temperatures asked for, as a list.

    Args:
        temperature_k: One temperature or several, K.

    Raises:
        BadTemperature: One is not a number, not above 0 K, or not finite; or there is none.
    """
    if isinstance(temperature_k, np.ndarray):
        temperature_k = temperature_k.tolist()
    several = isinstance(temperature_k, Iterable) and not isinstance(temperature_k, str | bytes)
    temperatures: list[object] = list(temperature_k) if several else [temperature_k]  # type: ignore[arg-type]
    if not temperatures:
        raise BadTemperature("the list of temperatures is empty: give at least one, in kelvin")
    return [_checked(value) for value in temperatures]


def _checked(value: object) -> float:
    if not isinstance(value, Real) or isinstance(value, bool):
        raise BadTemperature(
            f"the temperature is {value!r}, a {type(value).__name__}: give a number in kelvin, or a list of them"
        )
    if not 0 < float(value) < math.inf:
        raise BadTemperature(f"the temperature is {float(value):g} K: give one above 0 K")
    return float(value)


def at_temperature(details: PredictionDetails, temperature_k: float) -> Prediction:
    """A prediction at another temperature: kappa(T) = kappa(300 K) 300 K / T.

    This is the law of AGL, kappa(T) = kappa(theta_a) theta_a / T (Toher et al., Phys. Rev. B 90, 174107 (2014),
    eq. 18), with theta and gamma of 300 K; the correction of a higher rung stays the same factor. Below a third of
    the acoustic Debye temperature theta_a the number is given, but the row is out of domain. At 300 K nothing
    changes.

    Args:
        details: The prediction at 300 K.
        temperature_k: T, K, above 0.

    Returns:
        A new row; without a conductivity where theta is unknown and T is not 300 K.
    """
    row = details.prediction.model_copy(update={"temperature_k": temperature_k})
    if temperature_k == TRAINING_TEMPERATURE_K or row.kappa_w_mk is None:
        return row
    acoustic = details.acoustic_debye_temperature_k
    if acoustic is None:
        row.kappa_w_mk = row.lower_w_mk = row.upper_w_mk = row.in_domain = row.interval = None
        row.reason = "this model predicts no Debye temperature, so it predicts at 300 K only"
        return row
    factor = TRAINING_TEMPERATURE_K / temperature_k
    row.kappa_w_mk *= factor
    if row.lower_w_mk is not None and row.upper_w_mk is not None:
        row.lower_w_mk, row.upper_w_mk = row.lower_w_mk * factor, row.upper_w_mk * factor
    if details.volume_per_atom_a3 is not None:
        row.remarks = remarks_at_temperature(row, details.volume_per_atom_a3)
    if temperature_k < CLASSICAL_FROM * acoustic:
        cold = (
            f"at {temperature_k:g} K, below a third of the acoustic Debye temperature ({acoustic:.0f} K), "
            "1/T no longer holds"
        )
        row.in_domain, row.reason = False, f"{row.reason}; {cold}" if row.reason else cold
    return row
