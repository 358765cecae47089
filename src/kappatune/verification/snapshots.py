"""Third order from snapshots, in which all atoms are displaced at random: fewer forces than for displaced pairs.

Where few are enough, each snapshot has a partner with all displacements reversed. In the sum of the forces of the two,
second and fourth order cancel, so that the least squares of symfc (Seko and Togo, Phys. Rev. B 110, 214302 (2024)) see
the third order alone. Without partners the fourth order acts as noise and lowers kappa; where many snapshots are
needed, this noise averages out if displacements are small, and half as many do. There is no cutoff; what it leaves out
would act as noise, too. `studies.phonons.fewer_forces` compares kappa with that of displaced pairs.
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

import numpy as np

from kappatune.verification.forces import Forces

if TYPE_CHECKING:
    from phono3py import Phono3py

MOST_WITH_PARTNERS = 24
"""Snapshots up to which each has a partner, partners counted."""

OVERSAMPLING_WITH_PARTNERS, OVERSAMPLING_ALONE = 1.2, 1.5
"""Equations per parameter. With partners they are nearly exact, so that few more than parameters are enough."""

DISPLACEMENT_ALONE = 1 / 3
"""Displacement of the atoms of snapshots without partners, in units of that of a single displaced atom."""

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


def have_partners(phonons: Phono3py) -> bool:
    """Whether each snapshot has a partner; the argument as of `n_parameters`."""
    return 2 * _n_enough(phonons, OVERSAMPLING_WITH_PARTNERS) <= MOST_WITH_PARTNERS


def n_snapshots(phonons: Phono3py, factor: float = 1.0) -> int:
    """Snapshots that determine all third-order force constants, partners counted.

    Args:
        phonons: Its supercell is that for third order.
        factor: How many times as many as usual.
    """
    if have_partners(phonons):
        return 2 * max(2, _n_enough(phonons, factor * OVERSAMPLING_WITH_PARTNERS))
    return _n_enough(phonons, factor * OVERSAMPLING_ALONE)


def _n_enough(phonons: Phono3py, oversampling: float) -> int:
    """Snapshots with so many equations per parameter, if each force gives three."""
    return math.ceil(oversampling * n_parameters(phonons) / (3 * len(phonons.supercell)))


def are_worthwhile(phonons: Phono3py, n_pairs: int, n_others: int) -> bool:
    """Whether snapshots take so few force calculations that they are preferred to pairs.

    Args:
        phonons: Its supercell is that for third order.
        n_pairs: Force calculations in all with displaced pairs.
        n_others: How many of these are needed for second order, or at rest.
    """
    n_atoms, n_forces = len(phonons.supercell), n_others + n_snapshots(phonons)
    return n_atoms >= MIN_ATOMS and n_parameters(phonons) <= MAX_PARAMETERS and n_forces <= WORTHWHILE * n_pairs


def displace_all_atoms(phonons: Phono3py, distance: float, factor: float = 1.0) -> None:
    """Displacements of all atoms by one distance in random directions, then those of the partners, if they have any.

    Args:
        phonons: Its displacements for third order are replaced.
        distance: That of a single displaced atom, Å.
        factor: As of `n_snapshots`.
    """
    with_partners, n = have_partners(phonons), n_snapshots(phonons, factor)
    phonons.generate_displacements(
        distance=distance if with_partners else DISPLACEMENT_ALONE * distance,
        number_of_snapshots=n // 2 if with_partners else n,
        is_plusminus=with_partners,
        random_seed=SEED,
    )


def fit_third_order(phonons: Phono3py, forces: Forces) -> None:
    """Third-order force constants by least squares, with all symmetry; second order stays as it is.

    Without partners second order is fitted too, and dropped.

    Args:
        phonons: With the displacements of `displace_all_atoms`.
        forces: Of the supercell at rest, then of all snapshots, then of their partners, if they have any; the forces at
            rest are subtracted.
    """
    limit = sys.getrecursionlimit()
    from symfc import Symfc
    from symfc.utils.utils import SymfcAtoms

    sys.setrecursionlimit(limit)  # symfc raises it so far that JSON nested too deeply would overflow the stack

    supercell, symmetry = phonons.supercell, phonons.symmetry
    phonons.forces = forces[1:] - forces[0]
    solver = Symfc(
        SymfcAtoms(cell=supercell.cell, scaled_positions=supercell.scaled_positions, numbers=supercell.numbers),
        spacegroup_operations=symmetry.symmetry_operations,
        symprec=symmetry.tolerance,
    )
    if have_partners(phonons):
        n = len(phonons.forces) // 2
        solver.displacements = phonons.displacements[:n]
        solver.forces, orders = 0.5 * (phonons.forces[:n] + phonons.forces[n:]), [3]
    else:
        solver.displacements, solver.forces, orders = phonons.displacements, phonons.forces, [2, 3]
    solver.run(orders=orders, is_compact_fc=False, batch_size=_BATCH)
    phonons.fc3 = np.ascontiguousarray(solver.force_constants[3][phonons.primitive.p2s_map])


def fit_cost(phonons: Phono3py) -> tuple[float, float]:
    """CPU time, s, and memory, bytes, of the least squares.

    Args:
        phonons: Its supercell is that for third order.
    """
    n, n_atoms = n_parameters(phonons), len(phonons.supercell)
    n_equations = 3 * n_atoms * n_snapshots(phonons) / (2 if have_partners(phonons) else 1)
    seconds = SECONDS_PER_TERM * (n_equations + n) * n**2
    return seconds, 8.0 * (4 * n**2 + 2 * _BATCH * 3 * n_atoms * n)
