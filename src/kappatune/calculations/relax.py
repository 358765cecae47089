"""The primitive cell of a crystal, and its relaxation by a potential."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal

import numpy as np
import spglib

from kappatune.errors import UserError
from kappatune.potentials.base import EvaluationError, Potential
from kappatune.structures import BadCrystal, Crystal

if TYPE_CHECKING:
    from ase import Atoms

MAX_VOLUME_FACTOR = 2.0
"""A relaxation that changes the volume by more than this factor has run away."""


class NotConverged(UserError):
    """The relaxation found no rest."""


def primitive_cell(crystal: Crystal, symprec: float) -> tuple[Atoms, int]:
    """The primitive standard cell, to which the acoustic Debye temperature and every number per cell refer.

    Args:
        crystal: A checked crystal.
        symprec: Distance within which symmetry holds, Å.

    Returns:
        The cell, and the number of the space group.

    Raises:
        BadCrystal: No symmetry can be found.
    """
    from ase import Atoms

    cell = (crystal.lattice, crystal.frac_coords, crystal.numbers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = spglib.get_symmetry_dataset(cell, symprec=symprec)
        standard = spglib.standardize_cell(cell, to_primitive=True, no_idealize=False, symprec=symprec)
    if dataset is None or standard is None:
        raise BadCrystal("no symmetry can be found, not even the identity: check for overlapping atoms")
    lattice, positions, numbers = standard
    return Atoms(numbers, cell=lattice, scaled_positions=positions, pbc=True), int(dataset.number)


def relax(
    atoms: Atoms,
    potential: Potential,
    *,
    fmax: float,
    max_steps: int,
    symprec: float,
    optimiser: Literal["LBFGS", "FIRE"] = "LBFGS",
) -> Atoms:
    """Relax cell and positions, the symmetry kept.

    Args:
        atoms: Primitive cell.
        potential: The potential.
        fmax: Largest force that remains, eV/Å; for the cell, the largest V sigma / n in eV.
        max_steps: After so many steps the relaxation has failed.
        symprec: Distance within which symmetry holds, Å.
        optimiser: LBFGS takes fewer steps, FIRE gets through rough energies.

    Returns:
        The relaxed cell, without calculator and constraints.

    Raises:
        NotConverged: Too many steps, or the cell ran away.
        EvaluationError: The potential fails or explodes.
    """
    from ase.constraints import FixSymmetry
    from ase.filters import FrechetCellFilter
    from ase.optimize import FIRE, LBFGS

    moving = atoms.copy()
    moving.set_constraint(FixSymmetry(moving, symprec=symprec))
    moving.calc = potential.calculator
    before = atoms.get_volume()
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            search = {"LBFGS": LBFGS, "FIRE": FIRE}[optimiser](FrechetCellFilter(moving), logfile=None)
            for _ in search.irun(fmax=fmax, steps=max_steps):
                _check_volume(moving, before)
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


def _check_volume(atoms: Atoms, before: float) -> None:
    factor = atoms.get_volume() / before
    if not 1.0 / MAX_VOLUME_FACTOR < factor < MAX_VOLUME_FACTOR:
        raise NotConverged(f"not converged: the cell runs away, to {factor:.2g} times its volume")
