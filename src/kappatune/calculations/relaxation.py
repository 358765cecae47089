"""Relaxation of a crystal by a potential under the constraint of its symmetry."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from ase.units import GPa

from kappatune.calculations.symmetry import primitive_cell
from kappatune.errors import UserError
from kappatune.potentials import EvaluationError, Potential
from kappatune.structures import Crystal, check

if TYPE_CHECKING:
    from ase import Atoms

MAX_VOLUME_FACTOR = 2.0
"""A relaxation that changes the volume by more than this factor has run away."""

MAX_STRESS_GPA = 1.0
"""A relaxed crystal under more stress than this gets a warning: the potential contradicts itself."""


class NotConverged(UserError):
    """The relaxation did not converge."""


@dataclass(frozen=True)
class RelaxedCrystal:
    """A relaxed crystal.

    Attributes:
        atoms: Primitive standard cell.
        space_group: International number.
        warnings: What is unusual.
    """

    atoms: Atoms
    space_group: int
    warnings: tuple[str, ...] = ()


def relax_crystal(
    crystal: Crystal, potential: Potential, *, fmax: float, max_steps: int, symprec: float
) -> RelaxedCrystal:
    """Relax the primitive standard cell of a crystal, and reduce it again: a relaxation may restore symmetry.

    Args:
        crystal: Any cell of the crystal.
        potential: The potential.
        fmax: As for `relax`.
        max_steps: As for `relax`.
        symprec: Distance within which symmetry holds, Å.

    Raises:
        BadCrystal: The crystal is not valid, or no symmetry can be found.
        NotConverged: As for `relax`.
        EvaluationError: The potential does not know an element, fails or gives unphysical numbers.
    """
    potential.check_elements(crystal.numbers)
    notes = []
    start, group_before = primitive_cell(check(crystal), symprec)
    relaxed = relax(start, potential, fmax=fmax, max_steps=max_steps, symprec=symprec)
    reduced, group = primitive_cell(Crystal.from_ase(relaxed), symprec)
    if group != group_before:
        notes.append(f"the relaxation changed the space group from {group_before} to {group}")
    (remaining,) = potential.evaluate([reduced])
    stress = float(np.abs(remaining.stress).max() / GPa)
    if stress > MAX_STRESS_GPA:
        notes.append(f"the relaxed cell is still under a stress of {stress:.1f} GPa")
    return RelaxedCrystal(reduced, group, tuple(notes))


def relax(
    atoms: Atoms,
    potential: Potential,
    *,
    fmax: float,
    max_steps: int,
    symprec: float,
    optimiser: Literal["LBFGS", "FIRE"] = "LBFGS",
) -> Atoms:
    """Relax cell and positions under the constraint of the symmetry.

    Args:
        atoms: Primitive cell.
        potential: The potential.
        fmax: Largest force that remains, eV/Å; for the cell, the largest V sigma / n in eV.
        max_steps: Steps after which the relaxation has failed.
        symprec: Distance within which symmetry holds, Å.
        optimiser: LBFGS takes fewer steps; FIRE also copes with rough energies.

    Returns:
        The relaxed cell, without calculator and constraints.

    Raises:
        NotConverged: It takes too many steps, or the volume runs away.
        EvaluationError: The potential fails or gives unphysical numbers.
    """
    from ase.constraints import FixSymmetry
    from ase.filters import FrechetCellFilter
    from ase.optimize import FIRE, LBFGS

    moving = atoms.copy()
    moving.set_constraint(FixSymmetry(moving, symprec=symprec))
    moving.calc = potential.calculator
    initial_volume = atoms.get_volume()
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            search = {"LBFGS": LBFGS, "FIRE": FIRE}[optimiser](FrechetCellFilter(moving), logfile=None)
            for _ in search.irun(fmax=fmax, steps=max_steps):
                _check_volume(moving, initial_volume)
            converged = search.converged(search.optimizable.get_gradient())
    except UserError:
        raise
    except Exception as error:
        raise EvaluationError(f"the potential fails in the relaxation ({type(error).__name__}: {error})") from error
    if not converged:
        raise NotConverged(f"not converged: after {max_steps} steps a force is still above {fmax:g} eV/Å")
    relaxed = moving.copy()
    relaxed.set_constraint()
    return relaxed


def _check_volume(atoms: Atoms, initial_volume: float) -> None:
    factor = atoms.get_volume() / initial_volume
    if not 1.0 / MAX_VOLUME_FACTOR < factor < MAX_VOLUME_FACTOR:
        raise NotConverged(f"not converged: the relaxation changed the volume by a factor of {factor:.2g}")
