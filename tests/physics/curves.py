"""Energies against volume whose bulk modulus and derivative are known."""

from __future__ import annotations

import numpy as np


def birch_murnaghan(v, v0, b0, b0p, e0=0.0):
    """The textbook form, b0 in eV/Å^3."""
    x = (v0 / v) ** (2 / 3)
    return e0 + 9 * v0 * b0 / 16 * ((x - 1) ** 3 * b0p + (x - 1) ** 2 * (6 - 4 * x))


def vinet(v, v0, b0, b0p):
    """The universal equation of state, b0 in eV/Å^3; Vinet et al., J. Phys.: Condens. Matter 1, 1941 (1989)."""
    x = (v / v0) ** (1 / 3)
    y = 1.5 * (b0p - 1) * (1 - x)
    return 4 * v0 * b0 / (b0p - 1) ** 2 * (1 - (1 - y) * np.exp(y))
