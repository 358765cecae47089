"""Prototypes filled with the elements of a composition, each at its best size, before any relaxation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase.data import covalent_radii

from kappatune.data.prototypes.compositions import CandidateComposition
from kappatune.data.prototypes.templates import MAX_ATOMS, Template, templates
from kappatune.errors import UserError
from kappatune.potentials import Potential
from kappatune.structures import Crystal, element_symbol
from kappatune.structures.crystal import neighbour_pairs

if TYPE_CHECKING:
    from ase import Atoms

LENGTHS = (0.90, 0.95, 1.0, 1.05, 1.10)
"""Sizes that are tried first, relative to touching covalent spheres (Cordero et al., Dalton Trans. 2008, 2832)."""


@dataclass(frozen=True)
class UnrelaxedPrototype:
    """A prototype filled with elements, at its best size.

    Attributes:
        energy_ev: Energy per atom, eV.
        template: The prototype.
        cell: Its cell; shape and coordinates are those of the library.
    """

    energy_ev: float
    template: Template
    cell: Atoms


def unrelaxed_prototypes(
    candidate: CandidateComposition, potential: Potential
) -> tuple[list[UnrelaxedPrototype], list[tuple[str, str]]]:
    """All prototypes of the stoichiometry and the kind of bonding, lowest energy first.

    Sizes are counted from the one at which the closest atoms are as far apart as their covalent radii add up to.

    Args:
        candidate: The composition.
        potential: Gives the energies.

    Returns:
        The prototypes, and label and reason of those that are dropped.
    """
    found, dropped = [], []
    for template in templates():
        cell = template.filled(dict(candidate.amounts)) if candidate.bonding in template.bondings else None
        if cell is None:
            continue
        touching = _scaled(cell, 1.0 / relative_distance(cell))
        try:
            energy, length = _best_size(touching, potential)
        except UserError as error:
            dropped.append((template.label, str(error)))
            continue
        found.append(UnrelaxedPrototype(energy, template, _scaled(touching, length)))
    if candidate.bonding == "element" and (ground_state := _ground_state(candidate.amounts[0][0])) is not None:
        template = Template("ground-state", "ground state", frozenset({"element"}), (1,), ground_state)
        try:
            (energy,) = potential.energies([ground_state])
            found.append(UnrelaxedPrototype(float(energy) / len(ground_state), template, ground_state))
        except UserError as error:
            dropped.append((template.label, str(error)))
    return sorted(found, key=lambda prototype: prototype.energy_ev), dropped


def relative_distance(cell: Atoms) -> float:
    """The shortest distance between atoms in units of the sum of their covalent radii."""
    cutoff = 1.5 * min(cell.cell.lengths())
    first, second, distances = neighbour_pairs(Crystal.from_ase(cell), cutoff)[:3]
    radii = covalent_radii[cell.numbers]
    return float((distances / (radii[first] + radii[second])).min())


def _ground_state(number: int) -> Atoms | None:
    """An element in its ground state from ASE's collection: Lejaeghere et al., Science 351, aad3000 (2016)."""
    from ase.collections import dcdft

    symbol = element_symbol(number)
    if symbol not in dcdft.names or len(dcdft[symbol]) > MAX_ATOMS:
        return None
    return dcdft[symbol]


def _scaled(cell: Atoms, factor: float) -> Atoms:
    scaled = cell.copy()
    scaled.set_cell(cell.cell.array * factor, scale_atoms=True)
    return scaled


def _best_size(cell: Atoms, potential: Potential) -> tuple[float, float]:
    """Lowest energy per atom and its length, by a parabola; the window is extended once towards a minimum outside it.

    Raises:
        EvaluationError: The potential fails or gives unphysical numbers.
        UserError: There is no minimum near touching spheres.
    """
    lengths = list(LENGTHS)
    energies = list(potential.energies([_scaled(cell, factor) for factor in lengths]) / len(cell))
    k = int(np.argmin(energies))
    if k in (0, len(lengths) - 1):
        step = -0.05 if k == 0 else 0.05
        further = [lengths[k] + n * step for n in (1, 2, 3)]
        more = list(potential.energies([_scaled(cell, factor) for factor in further]) / len(cell))
        pairs = sorted(zip(lengths + further, energies + more, strict=True))
        lengths, energies = [p[0] for p in pairs], [p[1] for p in pairs]
        k = int(np.argmin(energies))
    if k in (0, len(lengths) - 1):
        raise UserError("no minimum near the expected size")
    a, b, c = np.polyfit(lengths[k - 1 : k + 2], energies[k - 1 : k + 2], 2)
    best = -b / (2.0 * a)
    return float(a * best**2 + b * best + c), float(best)
