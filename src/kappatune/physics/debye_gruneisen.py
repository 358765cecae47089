"""The quasi-harmonic Debye model: from an equation of state to the Debye temperature, Grüneisen parameter and kappa.

The method is AGL: Toher et al., Phys. Rev. B 90, 174107 (2014), after GIBBS: Blanco, Francisco and Luaña,
Comput. Phys. Commun. 158, 57 (2004). The only ingredients are E(V), the Poisson ratio and the masses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from ase.units import GPa, create_units
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from kappatune.physics.equation_of_state import BadCurve, EquationOfState
from kappatune.physics.slack import GRUNEISEN_RANGE, ln_slack_kappa

_SI = create_units("2018")
BOLTZMANN_EV: float = _SI["_k"] / _SI["_e"]
"""eV/K."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_LARGE = 60.0
_GRID = 200
_STEP = 1e-4


def debye_function(x: ArrayLike) -> NDArray[np.float64]:
    """D(x) = (3 / x^3) times the integral of t^3 / (e^t - 1) from 0 to x, for x > 0; any shape."""
    x = np.asarray(x, dtype=np.float64)
    end = np.minimum(x, _LARGE)[..., None]
    t = 0.5 * end * (_NODES + 1.0)
    integral = 0.5 * end[..., 0] * ((t**3 / np.expm1(t)) @ _WEIGHTS)
    return np.asarray(3.0 * integral / x**3)


def vibrational_energy(theta: ArrayLike, temperature_k: float, n_atoms: int) -> NDArray[np.float64]:
    """Energy of a Debye solid, zero-point energy included, eV per cell; theta in K, any shape."""
    theta = np.asarray(theta, dtype=np.float64)
    zero_point = np.asarray(1.125 * n_atoms * BOLTZMANN_EV * theta)
    if temperature_k == 0:
        return zero_point
    thermal = 3.0 * n_atoms * BOLTZMANN_EV * temperature_k * debye_function(theta / temperature_k)
    return np.asarray(zero_point + thermal)


def vibrational_free_energy(theta: ArrayLike, temperature_k: float, n_atoms: int) -> NDArray[np.float64]:
    """Helmholtz free energy of a Debye solid, zero-point energy included, eV per cell; theta in K, any shape."""
    theta = np.asarray(theta, dtype=np.float64)
    zero_point = np.asarray(1.125 * n_atoms * BOLTZMANN_EV * theta)
    if temperature_k == 0:
        return zero_point
    x = theta / temperature_k
    thermal = 3.0 * np.log(-np.expm1(-x)) - debye_function(x)
    return np.asarray(zero_point + n_atoms * BOLTZMANN_EV * temperature_k * thermal)


def vibrational_entropy(theta: float, temperature_k: float, n_atoms: int) -> float:
    """Entropy of a Debye solid, eV/K per cell; theta in K."""
    if temperature_k == 0:
        return 0.0
    x = theta / temperature_k
    return float(n_atoms * BOLTZMANN_EV * (4.0 * debye_function(x) - 3.0 * np.log(-np.expm1(-x))))


def heat_capacity_v(theta: float, temperature_k: float, n_atoms: int) -> float:
    """Heat capacity at constant volume of a Debye solid, eV/K per cell; theta in K."""
    if temperature_k == 0:
        return 0.0
    x = theta / temperature_k
    bose = x * math.exp(-x) / -math.expm1(-x)
    return float(3.0 * n_atoms * BOLTZMANN_EV * (4.0 * debye_function(x) - 3.0 * bose))


def poisson_factor(poisson_ratio: float) -> float:
    """Mean sound velocity of an isotropic solid over (B / density)^(1/2), a function of the Poisson ratio alone.

    f = {3 / [2 (2/3 (1+v)/(1-2v))^(3/2) + (1/3 (1+v)/(1-v))^(3/2)]}^(1/3); Toher et al. (2014).

    Raises:
        ValueError: The ratio is not between -1 and 1/2.
    """
    if not -1.0 < poisson_ratio < 0.5:
        raise ValueError(f"the Poisson ratio is {poisson_ratio:g}: it must lie between -1 and 0.5")
    v = poisson_ratio
    transverse = (2.0 / 3.0 * (1.0 + v) / (1.0 - 2.0 * v)) ** 1.5
    longitudinal = (1.0 / 3.0 * (1.0 + v) / (1.0 - v)) ** 1.5
    return float((3.0 / (2.0 * transverse + longitudinal)) ** (1.0 / 3.0))


def debye_temperature(
    bulk_modulus_gpa: ArrayLike, volume: ArrayLike, mass: float, n_atoms: int, poisson_ratio: float
) -> NDArray[np.float64]:
    """Debye temperature of the whole cell, hbar/k (6 pi^2 V^(1/2) n)^(1/3) f(v) (B/M)^(1/2); Toher et al. (2014).

    It does not depend on the choice of the cell. The acoustic one is this times n^(-1/3), n that of the primitive cell.

    Args:
        bulk_modulus_gpa: B, GPa, any shape; the static one stands for the adiabatic one, as in AGL.
        volume: V, Å^3 per cell, any shape.
        mass: M, u per cell.
        n_atoms: n, per cell.
        poisson_ratio: v.

    Returns:
        K; shape as B and V.
    """
    speed = np.sqrt(np.asarray(bulk_modulus_gpa) * 1e9 / (mass * _SI["_amu"]))
    size = (6.0 * math.pi**2 * np.sqrt(np.asarray(volume) * 1e-30) * n_atoms) ** (1.0 / 3.0)
    return np.asarray(_SI["_hbar"] / _SI["_k"] * poisson_factor(poisson_ratio) * size * speed)


@dataclass(frozen=True)
class ThermalState:
    """A crystal at the volume where its free energy is lowest.

    Attributes:
        temperature_k: K.
        volume: Å^3 per cell.
        debye_temperature_k: Of the whole cell, K.
        gruneisen: -d ln theta / d ln V.
        bulk_modulus_static_gpa: V E'' at this volume, GPa.
        bulk_modulus_isothermal_gpa: V F'', GPa.
        bulk_modulus_adiabatic_gpa: GPa.
        heat_capacity_v: eV/K per cell.
        heat_capacity_p: eV/K per cell.
        thermal_expansion: Of the volume, 1/K.
        free_energy: E + F_vib, eV per cell.
        entropy: eV/K per cell.
    """

    temperature_k: float
    volume: float
    debye_temperature_k: float
    gruneisen: float
    bulk_modulus_static_gpa: float
    bulk_modulus_isothermal_gpa: float
    bulk_modulus_adiabatic_gpa: float
    heat_capacity_v: float
    heat_capacity_p: float
    thermal_expansion: float
    free_energy: float
    entropy: float


@dataclass(frozen=True)
class DebyeGruneisen:
    """The quasi-harmonic Debye model of one crystal.

    Attributes:
        curve: Its equation of state, per cell.
        n_atoms: Atoms in the cell.
        mass: u per cell.
        poisson_ratio: Taken to be the same at every volume.
    """

    curve: EquationOfState
    n_atoms: int
    mass: float
    poisson_ratio: float

    def theta(self, volume: ArrayLike) -> NDArray[np.float64]:
        """Debye temperature of the whole cell, K, at volumes in Å^3; NaN where the bulk modulus is not positive."""
        v = np.asarray(volume, dtype=np.float64)
        bulk = v * self.curve.derivatives(v)[2] / GPa
        return debye_temperature(np.where(bulk > 0, bulk, np.nan), v, self.mass, self.n_atoms, self.poisson_ratio)

    def gruneisen(self, volume: ArrayLike) -> NDArray[np.float64]:
        """-d ln theta / d ln V = B'/2 - 1/6 at volumes in Å^3, the Poisson ratio being constant."""
        v = np.asarray(volume, dtype=np.float64)
        _, _, e2, e3 = self.curve.derivatives(v)
        return np.asarray(-0.5 * (1.0 + v * e3 / e2) - 1.0 / 6.0)

    def free_energy(self, volume: ArrayLike, temperature_k: float) -> NDArray[np.float64]:
        """E + F_vib, eV per cell, at volumes in Å^3."""
        vibrational = vibrational_free_energy(self.theta(volume), temperature_k, self.n_atoms)
        return np.asarray(self.curve.derivatives(volume)[0] + vibrational)

    def slope(self, volume: ArrayLike, temperature_k: float) -> NDArray[np.float64]:
        """dF/dV = E' - gamma U_vib / V, eV/Å^3, at volumes in Å^3; minus the pressure of the crystal."""
        thermal = vibrational_energy(self.theta(volume), temperature_k, self.n_atoms)
        return np.asarray(self.curve.derivatives(volume)[1] - self.gruneisen(volume) * thermal / np.asarray(volume))

    def equilibrium_volume(self, temperature_k: float) -> float:
        """Volume of lowest free energy at zero pressure, Å^3 per cell: the first minimum above strong compression.

        Raises:
            BadCurve: There is none within the window that was fitted.
        """
        start = self.curve.v0 - 0.3 * (self.curve.v0 - self.curve.lowest_volume)
        grid = np.linspace(start, self.curve.highest_volume, _GRID)
        slopes = self.slope(grid, temperature_k)
        rises = np.flatnonzero((slopes[:-1] < 0) & (slopes[1:] >= 0))
        if not len(rises):
            raise BadCurve(f"no equilibrium: at {temperature_k:g} K the free energy has no minimum within the window")
        low, high = grid[rises[0]], grid[rises[0] + 1]
        return float(brentq(lambda v: float(self.slope(v, temperature_k)), low, high, xtol=1e-10))

    def state(self, temperature_k: float) -> ThermalState:
        """The state at the equilibrium volume of a temperature in K.

        Raises:
            BadCurve: There is no equilibrium within the window.
        """
        volume = self.equilibrium_volume(temperature_k)
        theta, gamma = float(self.theta(volume)), float(self.gruneisen(volume))
        cv = heat_capacity_v(theta, temperature_k, self.n_atoms)
        step = _STEP * volume
        below, above = self.slope([volume - step, volume + step], temperature_k)
        isothermal = float(volume * (above - below) / (2.0 * step))
        expansion = gamma * cv / (isothermal * volume)
        stiffening = 1.0 + gamma * expansion * temperature_k
        return ThermalState(
            temperature_k=temperature_k,
            volume=volume,
            debye_temperature_k=theta,
            gruneisen=gamma,
            bulk_modulus_static_gpa=self.curve.bulk_modulus(volume),
            bulk_modulus_isothermal_gpa=isothermal / GPa,
            bulk_modulus_adiabatic_gpa=isothermal * stiffening / GPa,
            heat_capacity_v=cv,
            heat_capacity_p=cv * stiffening,
            thermal_expansion=expansion,
            free_energy=float(self.free_energy(volume, temperature_k)),
            entropy=vibrational_entropy(theta, temperature_k, self.n_atoms),
        )


def slack_kappa(
    state: ThermalState, mass: float, n_primitive: int, temperatures_k: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Conductivity at several temperatures from the Debye temperature and Grüneisen parameter of one state.

    As in AGL, theta and gamma stay those of the state, so that kappa falls as 1/T.

    Args:
        state: Of the primitive cell; its volume, theta and gamma are used.
        mass: u per primitive cell.
        n_primitive: Atoms in the primitive cell.
        temperatures_k: (n,) K, above 0.

    Returns:
        (n,) W/(m K).

    Raises:
        BadCurve: The Grüneisen parameter is outside the range in which the formula was ever used.
    """
    low, high = GRUNEISEN_RANGE
    if not low <= state.gruneisen <= high:
        raise BadCurve(
            f"the Grüneisen parameter is {state.gruneisen:.2f}, and kappa needs one between {low:g} and {high:g}: "
            "the third derivative of the energy cannot be trusted"
        )
    ln_kappa = ln_slack_kappa(
        math.log(state.debye_temperature_k),
        state.gruneisen,
        math.log(mass / n_primitive),
        math.log(state.volume / n_primitive),
        math.log(n_primitive),
        temperature_k=1.0,
    )
    return np.asarray(math.exp(ln_kappa) / temperatures_k, dtype=np.float64)
