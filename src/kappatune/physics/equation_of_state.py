"""Energy against volume: the fit, and the bulk modulus and its derivative at any volume of the window."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from ase.units import GPa
from numpy.polynomial import Polynomial
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from kappatune.errors import UserError

Fit = Literal["averaged", "birch-murnaghan"]
ORDERS: dict[Fit, tuple[int, ...]] = {"averaged": (3, 4), "birch-murnaghan": (3,)}
"""Orders in the Eulerian strain of the polynomials that are averaged."""

MAX_ROUGHNESS = 0.05
"""Roughness over the range of the energies; smooth curves have less than 0.01."""

COMPRESSION = 0.05
"""Linear compression, from the minimum, at which an energy weighs exp(-1/2) in the fit."""

_GRID = 1001


class BadCurve(UserError):
    """Energies or free energies against volume are not those of a crystal in equilibrium."""


@dataclass(frozen=True)
class EquationOfState:
    """A polynomial E(f) in the Eulerian strain f = [(V_r / V)^(2/3) - 1] / 2.

    The third order is the Birch-Murnaghan equation with all four parameters free; F. Birch, Phys. Rev. 71, 809 (1947).

    Attributes:
        polynomial: E(f), eV per cell.
        reference_volume: V_r, Å^3 per cell.
        lowest_volume: Lower end of the window that was fitted, Å^3 per cell.
        highest_volume: Upper end, Å^3 per cell.
        v0: Volume of lowest energy, Å^3 per cell.
        residual: Root mean square deviation of the fit from the energies, weighted as in the fit, eV per cell.
        roughness: The same of a fit with equal weights: how far the energies are from a smooth curve, eV per cell.
    """

    polynomial: Polynomial
    reference_volume: float
    lowest_volume: float
    highest_volume: float
    v0: float
    residual: float
    roughness: float

    def derivatives(self, volume: ArrayLike) -> NDArray[np.float64]:
        """Energy and its first three derivatives by volume.

        Args:
            volume: Å^3 per cell, any shape.

        Returns:
            (4, *shape): E, E', E'', E''' in eV / Å^(3k).
        """
        v = np.asarray(volume, dtype=np.float64)
        power = 0.5 * (self.reference_volume / v) ** (2.0 / 3.0)
        f1, f2, f3 = -2.0 / 3.0 * power / v, 10.0 / 9.0 * power / v**2, -80.0 / 27.0 * power / v**3
        e, e1, e2, e3 = (self.polynomial.deriv(k)(power - 0.5) for k in range(4))
        return np.stack([e, e1 * f1, e2 * f1**2 + e1 * f2, e3 * f1**3 + 3.0 * e2 * f1 * f2 + e1 * f3])

    def energy(self, volume: float) -> float:
        """E, eV per cell, at a volume in Å^3 per cell."""
        return float(self.derivatives(volume)[0])

    def pressure(self, volume: float) -> float:
        """Static pressure -dE/dV, GPa, at a volume in Å^3 per cell."""
        return float(-self.derivatives(volume)[1] / GPa)

    def bulk_modulus(self, volume: float) -> float:
        """Static bulk modulus V E'', GPa, at a volume in Å^3 per cell."""
        return float(volume * self.derivatives(volume)[2] / GPa)

    def bulk_modulus_derivative(self, volume: float) -> float:
        """dB/dP = -(1 + V E''' / E''), at a volume in Å^3 per cell."""
        _, _, e2, e3 = self.derivatives(volume)
        return float(-(1.0 + volume * e3 / e2))


def fit_equation_of_state(volumes: ArrayLike, energies: ArrayLike, fit: Fit = "averaged") -> EquationOfState:
    """Fit an equation of state.

    `averaged` is the mean of the polynomials of third and fourth order in the strain. It follows the idea of GIBBS
    (Blanco, Francisco and Luaña, Comput. Phys. Commun. 158, 57 (2004)), to average polynomials of several orders, but
    neither its weights nor its orders: higher ones follow the wiggles that the energies of machine-learned potentials
    have.

    Energies weigh less the more the crystal is compressed, by a normal distribution of `COMPRESSION` in length around
    the minimum; those of the expanded crystal, towards which it moves with temperature, all weigh the same. With equal
    weights the first few volumes, whose energies rise by electronvolts, would decide the fit at the minimum. Where the
    minimum is comes from a first fit with equal weights.

    Args:
        volumes: (n,) Å^3 per cell, at least seven, sorted or not.
        energies: (n,) eV per cell.
        fit: `averaged`, or `birch-murnaghan`: the third order alone.

    Raises:
        BadCurve: An energy is not finite; the lowest is at the end of the window; the fit has no minimum within, or
            the energies are not smooth; the curvature at the minimum is negative.
    """
    v, e = np.asarray(volumes, dtype=np.float64), np.asarray(energies, dtype=np.float64)
    if v.shape != e.shape or v.ndim != 1 or len(v) < 7:
        raise BadCurve(f"{v.shape} volumes and {e.shape} energies: an equation of state needs at least seven of each")
    if not (np.isfinite(e).all() and np.isfinite(v).all() and (v > 0).all()):
        raise BadCurve("an energy or volume is not a finite number: the potential fails within the window of volumes")
    order = np.argsort(v)
    v, e = v[order], e[order]
    if int(np.argmin(e)) in (0, len(v) - 1):
        raise BadCurve("no minimum: the energy is lowest at an end of the window of volumes")
    plain = _fit(v, e, np.ones_like(v), fit)
    if plain.residual > MAX_ROUGHNESS * np.ptp(e):
        raise BadCurve(
            f"the energies are not a smooth curve: a fit is off by {plain.residual / np.ptp(e):.0%} of their range"
        )
    compression = np.minimum(np.log(v / plain.v0) / 3.0, 0.0)
    curve = _fit(v, e, np.exp(-0.5 * (compression / COMPRESSION) ** 2), fit)
    if curve.bulk_modulus(curve.v0) <= 0:
        raise BadCurve("negative curvature: the bulk modulus at the minimum is not positive")
    return replace(curve, roughness=plain.residual)


def _fit(v: NDArray[np.float64], e: NDArray[np.float64], weights: NDArray[np.float64], fit: Fit) -> EquationOfState:
    """The weighted least-squares fit of sorted volumes, with its minimum next to the lowest energy."""
    reference = float(v[np.argmin(e)])
    strain = 0.5 * ((reference / v) ** (2.0 / 3.0) - 1.0)
    polynomial = Polynomial([0.0])
    for degree in ORDERS[fit]:
        polynomial += Polynomial.fit(strain, e, degree, w=np.sqrt(weights)).convert() / len(ORDERS[fit])
    residual = float(np.sqrt(np.average((polynomial(strain) - e) ** 2, weights=weights)))
    curve = EquationOfState(polynomial, reference, float(v[0]), float(v[-1]), reference, residual, residual)
    grid = np.linspace(v[0], v[-1], _GRID)
    slopes = curve.derivatives(grid)[1]
    rises = np.flatnonzero((slopes[:-1] < 0) & (slopes[1:] >= 0))
    if not len(rises):
        raise BadCurve("no minimum: the fitted energy has none within the window of volumes")
    at = int(rises[np.argmin(np.abs(grid[rises] - reference))])
    v0 = float(brentq(lambda x: float(curve.derivatives(x)[1]), grid[at], grid[at + 1], xtol=1e-10))
    return replace(curve, v0=v0)
