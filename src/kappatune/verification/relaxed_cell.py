"""The relaxed crystal in its standard cells, with a check that the relaxation kept the symmetry."""

from __future__ import annotations

import numpy as np

from kappatune.calculations.relaxation import relax
from kappatune.potentials import Potential
from kappatune.structures import Crystal
from kappatune.verification.cache import StepCache
from kappatune.verification.outcomes import BrokenSymmetry
from kappatune.verification.settings import VerifySettings
from kappatune.verification.standard_cell import StandardCell, standardise


def relax_standard_cell(
    cell: StandardCell, potential: Potential, settings: VerifySettings, cache: StepCache
) -> tuple[StandardCell, tuple[str, ...]]:
    """Relax with the symmetry kept, standardise again, and compare the symmetry.

    Cell and positions relax together by FIRE in ASE's Frechet cell filter, as in the conductivity task of Matbench
    Discovery.

    Args:
        cell: The crystal as given.
        potential: The potential.
        settings: Convergence of the relaxation, and the distance within which symmetry holds.
        cache: Holds the relaxed cell if an earlier run came that far.

    Returns:
        The relaxed crystal, and warnings.

    Raises:
        NotConverged: The relaxation did not converge.
        EvaluationError: The potential fails or gives unphysical numbers.
        BrokenSymmetry: The relaxed crystal has fewer symmetry operations.
    """
    step = cache.load("relaxed")
    if step is None:
        atoms = relax(
            cell.primitive,
            potential,
            fmax=settings.fmax,
            max_steps=settings.max_steps,
            symprec=settings.symprec,
            optimiser="FIRE",
        )
        step = {"lattice": atoms.cell.array.tolist(), "frac_coords": atoms.get_scaled_positions().tolist()}
        cache.save("relaxed", step)
    relaxed = standardise(
        Crystal(np.array(step["lattice"]), cell.primitive.numbers.astype(np.int64), np.array(step["frac_coords"])),
        settings.symprec,
    )
    if relaxed.n_operations * len(cell.primitive) < cell.n_operations * len(relaxed.primitive):
        raise BrokenSymmetry(
            f"the relaxation broke the symmetry: space group {cell.space_group} became {relaxed.space_group}"
        )
    if relaxed.space_group != cell.space_group:
        return relaxed, (f"the relaxation changed the space group from {cell.space_group} to {relaxed.space_group}",)
    return relaxed, ()
