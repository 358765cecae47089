"""Leibfried-Schlömann (Slack) conductivity from the Debye temperature and the Grüneisen parameter.

AFLOW's AGL values of kappa follow this formula: Toher et al., Phys. Rev. B 90, 174107 (2014),
eqs. 17 and 18; Slack, Solid State Physics 34, 1 (1979); Leibfried and Schlömann (1954).
"""

from __future__ import annotations

import math
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import torch
from ase.units import create_units
from numpy.typing import NDArray
from torch import Tensor

Number = TypeVar("Number", float, NDArray[np.float64], Tensor)

_ANGSTROM = 1e-10
_SI = create_units("2018")
_LN_PREFACTOR: float = (
    math.log(0.849 * 3.0 * 4.0 ** (1.0 / 3.0) / (20.0 * math.pi**3))
    + 2.0 * math.log(_SI["_k"] / _SI["_hbar"])
    + math.log(_SI["_k"] * _SI["_amu"] * _ANGSTROM / _SI["_hbar"])
)
GRUNEISEN_RANGE = (0.5, 6.0)
"""Grüneisen parameters for which the formula has been used."""

CLASSICAL_FROM = 1.0 / 3.0
"""Fraction of the acoustic Debye temperature below which kappa is not assumed to fall as 1/T."""


def acoustic_debye_temperature(debye_temperature_k: float, n_primitive: float) -> float:
    """theta_a = theta n^(-1/3), K, from theta of the whole primitive cell of n atoms, K."""
    size: float = float(n_primitive) ** (-1.0 / 3.0)
    return debye_temperature_k * size


def ln_slack_kappa(
    ln_debye_temperature: Number,
    gruneisen: Number,
    ln_mean_mass: Number,
    ln_volume_per_atom: Number,
    ln_n_primitive: Number,
    temperature_k: float = 300.0,
) -> Number:
    """Natural logarithm of the Slack conductivity.

    kappa = A / (1 - 0.514/g + 0.228/g^2) (k theta_a/hbar)^2 (k m V^(1/3) / (hbar g^2)) (theta_a / T) with
    A = 0.849 * 3 * 4^(1/3) / (20 pi^3), theta_a = theta n^(-1/3) and V the volume of the primitive cell.

    Args:
        ln_debye_temperature: ln of the Debye temperature theta of the whole primitive cell, K.
        gruneisen: Grüneisen parameter g.
        ln_mean_mass: ln of the mean atomic mass m, u.
        ln_volume_per_atom: ln of the volume per atom, Å^3.
        ln_n_primitive: ln of the number of atoms n in the primitive cell.
        temperature_k: T, K.

    Returns:
        ln kappa, kappa in W/(m K); shape as the arguments.
    """
    ln_theta_a = ln_debye_temperature - ln_n_primitive / 3.0
    polynomial = 1.0 - 0.514 / gruneisen + 0.228 / gruneisen**2
    logarithm = torch.log if isinstance(gruneisen, Tensor) else np.log
    ln_kappa: Number = (
        _LN_PREFACTOR
        - math.log(temperature_k)
        + 3.0 * ln_theta_a
        + ln_mean_mass
        + (ln_volume_per_atom + ln_n_primitive) / 3.0
        - logarithm(gruneisen**2 * polynomial)
    )
    return ln_kappa


class SlackTerms(NamedTuple, Generic[Number]):
    """Natural logarithms of the factors of the Slack conductivity; with `LN_SLACK_CONSTANT` they add up to ln kappa.

    Attributes:
        stiffness: Of s^3, where s = theta m^(1/2) v^(-1/6): the Debye temperature without mass and size of the atoms.
        gruneisen: Of 1 / (g^2 - 0.514 g + 0.228).
        mean_mass: Of m^(-1/2), at fixed stiffness.
        volume: Of v^(5/6), v the volume per atom.
        cell: Of n^(-2/3), n the atoms of the primitive cell.
    """

    stiffness: Number
    gruneisen: Number
    mean_mass: Number
    volume: Number
    cell: Number


def ln_slack_terms(
    ln_debye_temperature: Number,
    gruneisen: Number,
    ln_mean_mass: Number,
    ln_volume_per_atom: Number,
    ln_n_primitive: Number,
) -> SlackTerms[Number]:
    """The factors of a conductivity by the Slack formula; arguments as in `ln_slack_kappa`.

    The formula rearranged: with ln theta = ln s - ln(m)/2 + ln(v)/6, the exponents of m, v and n collect to those
    of `SlackTerms`. Summed with `LN_SLACK_CONSTANT` the terms are ln kappa at 300 K.
    """
    logarithm = torch.log if isinstance(gruneisen, Tensor) else np.log
    return SlackTerms(
        stiffness=3.0 * (ln_debye_temperature + ln_mean_mass / 2.0 - ln_volume_per_atom / 6.0),
        gruneisen=-logarithm(gruneisen**2 - 0.514 * gruneisen + 0.228),
        mean_mass=-ln_mean_mass / 2.0,
        volume=5.0 * ln_volume_per_atom / 6.0,
        cell=-2.0 * ln_n_primitive / 3.0,
    )


LN_SLACK_CONSTANT = _LN_PREFACTOR - math.log(300.0)
"""ln kappa at 300 K minus the sum of `ln_slack_terms`."""
