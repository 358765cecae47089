"""Third order from snapshots, in which all atoms are displaced at random: fewer forces than for displaced pairs.

Each snapshot has a partner with all displacements reversed. In the sum of the forces of the two, second and fourth
order cancel, so that the least squares of symfc (Seko and Togo, Phys. Rev. B 110, 214302 (2024)) see the third order
alone: without partners the fourth order acts as noise and lowers kappa. There is no cutoff; what it leaves out would
act as noise, too. `studies.phonons.fewer_forces` compares kappa of both ways.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from kappatune.verification.forces import Forces

if TYPE_CHECKING:
    from phono3py import Phono3py

OVERSAMPLING = 1.2
"""Equations per parameter. The equations are nearly exact, so that few more than parameters are enough."""

MAX_PARAMETERS = 8000
"""symfc holds and solves a dense matrix of the square of this number."""

MIN_ATOMS = 24
"""Smaller supercells get displaced pairs: symmetry and sums can leave no parameter there, which symfc does not take."""

WORTHWHILE = 0.5
"""Snapshots are used where they take no more than this fraction of the force calculations of displaced pairs."""

SEED = 20261126
"""Of the displacements: the same crystal gets the same ones, so that an interrupted run finds its forces again."""

SECONDS_PER_TERM = 7e-11
"""CPU time of symfc per term of its matrix products, s; another machine may differ by a factor."""

_BATCH = 8
"""Snapshots whose equations symfc holds at a time."""


def n_parameters(phonons: Phono3py) -> int:
    """Third-order force constants of the supercell that its symmetry leaves independent, about.

    (27 N^3 / 6) / number of symmetry operations of the supercell, translations among them: symfc's own estimate, right
    to a few per cent.

    Args:
        phonons: Its supercell of N atoms is that for third order.
    """
    n_operations = len(phonons.symmetry.symmetry_operations["rotations"])
    return round(27 * len(phonons.supercell) ** 3 / 6 / n_operations)


def n_snapshots(phonons: Phono3py, oversampling: float = OVERSAMPLING) -> int:
    """Snapshots, each with its partner, that determine all third-order force constants; at least two with theirs.

    Args:
        phonons: Its supercell is that for third order.
        oversampling: Equations per parameter; only one of the two forces on an atom is an equation for third order.
    """
    return 2 * max(2, math.ceil(oversampling * n_parameters(phonons) / (3 * len(phonons.supercell))))


def are_worthwhile(phonons: Phono3py, n_pairs: int, n_others: int) -> bool:
    """Whether snapshots take so few force calculations that they are preferred to pairs.

    Args:
        phonons: Its supercell is that for third order.
        n_pairs: Force calculations in all with displaced pairs.
        n_others: How many of these are needed for second order, or at rest.
    """
    n_atoms, n_forces = len(phonons.supercell), n_others + n_snapshots(phonons)
    return n_atoms >= MIN_ATOMS and n_parameters(phonons) <= MAX_PARAMETERS and n_forces <= WORTHWHILE * n_pairs


def displace_all_atoms(phonons: Phono3py, distance: float, oversampling: float = OVERSAMPLING) -> None:
    """Displacements of all atoms by one distance in random directions, and the same reversed.

    Args:
        phonons: Its displacements for third order are replaced.
        distance: Å.
        oversampling: Equations per parameter.
    """
    phonons.generate_displacements(
        distance=distance,
        number_of_snapshots=n_snapshots(phonons, oversampling) // 2,
        is_plusminus=True,
        random_seed=SEED,
    )


def fit_third_order(phonons: Phono3py, forces: Forces) -> None:
    """Third-order force constants by least squares, with all symmetry.

    phono3py's own call of symfc gives the same, but fits second order, too, to twice as many equations.

    Args:
        phonons: With the displacements of `displace_all_atoms`.
        forces: Of the supercell at rest, then of all snapshots, then of their partners; the forces at rest are
            subtracted.
    """
    from symfc import Symfc
    from symfc.utils.utils import SymfcAtoms

    supercell, symmetry = phonons.supercell, phonons.symmetry
    phonons.forces = forces[1:] - forces[0]
    n_with_partner = len(forces) // 2
    solver = Symfc(
        SymfcAtoms(cell=supercell.cell, scaled_positions=supercell.scaled_positions, numbers=supercell.numbers),
        spacegroup_operations=symmetry.symmetry_operations,
        symprec=symmetry.tolerance,
    )
    solver.displacements = phonons.displacements[:n_with_partner]
    solver.forces = 0.5 * (phonons.forces[:n_with_partner] + phonons.forces[n_with_partner:])
    solver.run(orders=[3], is_compact_fc=False, batch_size=_BATCH)
    phonons.fc3 = np.ascontiguousarray(solver.force_constants[3][phonons.primitive.p2s_map])


def fit_cost(phonons: Phono3py) -> tuple[float, float]:
    """CPU time, s, and memory, bytes, of the least squares.

    Args:
        phonons: Its supercell is that for third order.
    """
    n, n_atoms = n_parameters(phonons), len(phonons.supercell)
    n_equations = 3 * n_atoms * n_snapshots(phonons) / 2
    seconds = SECONDS_PER_TERM * (n_equations + n) * n**2
    return seconds, 8.0 * (4 * n**2 + 2 * _BATCH * 3 * n_atoms * n)
