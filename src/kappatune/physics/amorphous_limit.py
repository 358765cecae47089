"""The conductivity of a glass of the same atoms: near it, heat is no longer carried by phonons as in a crystal.

The minimum of Cahill, Watson and Pohl, Phys. Rev. B 46, 6131 (1992), for a Debye solid whose oscillations live for half
a period:

    kappa_min = (pi/6)^(1/3) k n^(2/3) sum_i v_i (T/Theta_i)^2 int_0^(Theta_i/T) x^3 e^x / (e^x - 1)^2 dx

with the three velocities of sound v_i, Theta_i = v_i (hbar/k) (6 pi^2 n)^(1/3), and n the atoms per volume. Here all
three are the Debye mean velocity that Theta stands for, which gives a limit a tenth to a quarter lower. The other
common limit, by diffusons (Agne, Hanus and Snyder, Energy Environ. Sci. 11, 609 (2018)), is 0.63 times this one at high
temperatures (prefactors 0.76 and 1.21).
"""

from __future__ import annotations

import math

import numpy as np
from ase.units import create_units

_SI = create_units("2018")
_PREFACTOR: float = 3.0 * (36.0 * math.pi) ** (-1.0 / 3.0) * _SI["_k"] ** 2 / _SI["_hbar"] * 1e10
"""Of Theta, K, times n^(1/3), 1/Å, in W/(m K): v_i written as Theta_i."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)


def classical_limit(debye_temperature_k: float, volume_per_atom_a3: float) -> float:
    """The limit far above the Debye temperature, W/(m K): no temperature has a higher one.

    Args:
        debye_temperature_k: Debye temperature of all modes (not of the acoustic branches alone), K.
        volume_per_atom_a3: Å^3.
    """
    per_length: float = volume_per_atom_a3 ** (-1.0 / 3.0)
    return 0.5 * _PREFACTOR * debye_temperature_k * per_length


def amorphous_limit(debye_temperature_k: float, volume_per_atom_a3: float, temperature_k: float) -> float:
    """The limit at a temperature, W/(m K).

    Args:
        debye_temperature_k: Debye temperature of all modes (not of the acoustic branches alone), K.
        volume_per_atom_a3: Å^3.
        temperature_k: T, K.
    """
    top = debye_temperature_k / temperature_k
    half = top * (_NODES + 1.0) / 4.0  # x/2; x^3 e^x / (e^x - 1)^2 = x^3 / (2 sinh(x/2))^2
    integral = top / 2.0 * float((_WEIGHTS * 2.0 * half * (half / np.sinh(np.minimum(half, 300.0))) ** 2).sum())
    return 2.0 * classical_limit(debye_temperature_k, volume_per_atom_a3) * integral / top**2
