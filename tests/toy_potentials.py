"""Potentials with known answers, and some that fail. Each function makes an ASE calculator."""

from __future__ import annotations

import os
import time

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.calculators.tersoff import Tersoff, TersoffParameters


def argon() -> LennardJones:
    return LennardJones(sigma=3.4, epsilon=0.0104, rc=10.0)


def stiff_lennard_jones() -> LennardJones:
    """Deep enough to stay solid at room temperature."""
    return LennardJones(sigma=2.5, epsilon=0.5, rc=8.0)


def copper() -> EMT:
    return EMT()


def silicon() -> Tersoff:
    """Tersoff, Phys. Rev. B 38, 9902 (1988): C11 142.5, C12 75.4, C44 69.0, with clamped ions 118.8 GPa."""
    parameters = TersoffParameters(
        m=3, gamma=1, lambda3=0, c=1.0039e5, d=16.217, h=-0.59825, n=0.78734, beta=1.1e-6,
        lambda2=1.73222, B=471.18, R=2.85, D=0.15, lambda1=2.4799, A=1830.8,
    )  # fmt: skip
    return Tersoff({("Si", "Si", "Si"): parameters})


class _Volume(Calculator):
    """An energy per cell that depends on the volume alone; without forces."""

    implemented_properties = ("energy", "forces", "stress")

    def energy_and_slope(self, volume: float) -> tuple[float, float]:
        raise NotImplementedError

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        energy, slope = self.energy_and_slope(atoms.get_volume())
        stress = np.array([slope] * 3 + [0.0] * 3)
        self.results = {"energy": energy, "forces": np.zeros((len(atoms), 3)), "stress": stress}


class _Repulsive(_Volume):
    def energy_and_slope(self, volume):
        return 50.0 / volume, -50.0 / volume**2


class _Exploding(_Volume):
    def energy_and_slope(self, volume):
        return (np.nan if volume > 45 else 0.01 * (volume - 40) ** 2), 0.02 * (volume - 40)


class _Liquid(_Volume):
    """A bulk modulus but no shear modulus."""

    def energy_and_slope(self, volume):
        return 0.01 * (volume - 40) ** 2, 0.02 * (volume - 40)


def repulsive() -> Calculator:
    return _Repulsive()


def exploding() -> Calculator:
    return _Exploding()


def liquid() -> Calculator:
    return _Liquid()


class _Killer(EMT):
    """Kills its process on gold."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        if 79 in atoms.numbers:
            os._exit(9)
        super().calculate(atoms, properties, system_changes)


def killer() -> Calculator:
    return _Killer()


def not_a_calculator() -> int:
    return 3


class _Slow(EMT):
    """Takes its time, so that there is some to kill it in."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        if len(atoms) > 4:
            time.sleep(0.2)


def slow_copper() -> Calculator:
    return _Slow()
