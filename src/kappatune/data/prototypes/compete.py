"""One composition: its prototypes compete by energy, the best are relaxed, and AGL judges what remains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import covalent_radii
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor

from kappatune.calculations.agl import agl_of_relaxed
from kappatune.calculations.agl_result import AglResult
from kappatune.calculations.agl_settings import AglSettings
from kappatune.calculations.relaxation import RelaxedCrystal, relax_crystal
from kappatune.data.prototypes.chemistry import Candidate
from kappatune.data.prototypes.templates import MAX_ATOMS, Template, templates
from kappatune.errors import UserError
from kappatune.potentials import Potential
from kappatune.structures import Crystal
from kappatune.structures.crystal import element_symbol, neighbour_pairs

if TYPE_CHECKING:
    from ase import Atoms

SETTINGS = AglSettings(fmax=5e-3, max_steps=150, poisson="network")

LENGTHS = (0.90, 0.95, 1.0, 1.05, 1.10)
"""Sizes of the first look, relative to touching covalent spheres (Cordero et al., Dalton Trans. 2008, 2832)."""

N_RELAXED = 2
"""Prototypes of a composition that are relaxed at most."""

WITHIN_EV = 0.15
"""Unrelaxed prototypes are given up this far above the best, eV per atom."""

MAX_ABOVE_BEST_EV = 0.1
"""Relaxed crystals are left out this far above the best of their composition, eV per atom."""

HOPELESS_EV = 0.25
"""Formation energy of the best unrelaxed prototype above which nothing is relaxed, eV per atom."""

MOLECULES = frozenset((1, 7, 8, 9, 17, 35, 53))
"""Elements of two-atom molecules: references for others, but no crystals that AGL could judge."""

GRUNEISEN = (0.8, 3.5)
"""Grüneisen parameters outside are taken for the potential's error."""

CLOSEST = 0.6
"""Smallest distance in units of the sum of covalent radii."""


@dataclass(frozen=True)
class Entry:
    """A crystal of the data set.

    Attributes:
        template: Its prototype.
        relaxed: The relaxed cell.
        answer: What AGL says.
        formation_energy_ev: Per atom, against the elements by the same potential; 0 at least for one of each element.
        above_best_ev: Energy per atom above the best relaxed prototype of the composition.
        n_competing: Prototypes whose energies were compared.
    """

    template: Template
    relaxed: RelaxedCrystal
    answer: AglResult
    formation_energy_ev: float
    above_best_ev: float
    n_competing: int


@dataclass
class Outcome:
    """What became of a composition.

    Attributes:
        entries: What goes into the data set.
        dropped: Prototype (or `all`) and reason of what does not.
        lowest_ev: Lowest relaxed energy, eV per atom; None if nothing relaxed.
    """

    entries: list[Entry] = field(default_factory=list)
    dropped: list[tuple[str, str]] = field(default_factory=list)
    lowest_ev: float | None = None


def compete(candidate: Candidate, potential: Potential, elements: Mapping[int, float]) -> Outcome:
    """Let the prototypes of a composition compete by energy, and ask AGL about the winners.

    All prototypes of the stoichiometry are compared as the library has them, at their best size; the best few are
    relaxed.

    Args:
        candidate: The composition.
        potential: Gives all energies.
        elements: Energy of each element, eV per atom; not needed for elements themselves.
    """
    outcome = Outcome()
    unknown = sorted({z for z, _ in candidate.composition} - elements.keys())
    if unknown and candidate.bonding != "element":
        names = ", ".join(map(element_symbol, unknown))
        outcome.dropped.append(("all", f"no reference energy: nothing relaxed for {names}"))
        return outcome
    looks = _first_look(candidate, potential, outcome)
    if not looks:
        return outcome
    reference = _reference(candidate, elements)
    lowest = min(energy for energy, _, _ in looks)
    if candidate.bonding != "element" and lowest - reference > HOPELESS_EV:
        outcome.dropped.append(("all", "falls apart: far above its elements before any relaxation"))
        return outcome
    chosen = [look for look in looks if look[0] - lowest < WITHIN_EV][:N_RELAXED]
    relaxed = _relaxed(candidate, chosen, potential, outcome)
    if not relaxed:
        return outcome
    best = outcome.lowest_ev = relaxed[0][0]
    if candidate.bonding == "element":
        reference = best
        if candidate.composition[0][0] in MOLECULES:
            outcome.dropped.append(("all", "molecules: AGL is for crystals of atoms"))
            return outcome
    for energy, template, crystal, cell in relaxed:
        reason = _fault(candidate, cell, energy - reference, energy - best)
        if reason:
            outcome.dropped.append((template.label, reason))
            continue
        try:
            answer = agl_of_relaxed(crystal, cell, potential, SETTINGS)
        except UserError as error:
            outcome.dropped.append((template.label, str(error)))
            continue
        low, high = GRUNEISEN
        if answer.gruneisen is None or not low <= answer.gruneisen <= high:
            outcome.dropped.append((template.label, f"Grüneisen parameter outside {low:g} to {high:g}"))
            continue
        outcome.entries.append(Entry(template, cell, answer, energy - reference, energy - best, len(looks)))
    return outcome


def _first_look(candidate: Candidate, potential: Potential, outcome: Outcome) -> list[tuple[float, Template, Atoms]]:
    """Energy per atom of each prototype at its best size, shape and coordinates as in the library; lowest first.

    Sizes count from that at which the closest atoms are as far apart as their covalent radii add up to.
    """
    composition = dict(candidate.composition)
    looks = []
    for template in templates():
        cell = template.filled(composition) if candidate.bonding in template.bondings else None
        if cell is None:
            continue
        touching = _scaled(cell, 1.0 / _closeness(cell))
        try:
            energy, length = _best_size(touching, potential)
        except UserError as error:
            outcome.dropped.append((template.label, str(error)))
            continue
        looks.append((energy, template, _scaled(touching, length)))
    if candidate.bonding == "element":
        looks += _ground_state(candidate, potential, outcome)
    return sorted(looks, key=lambda look: look[0])


def _ground_state(candidate: Candidate, potential: Potential, outcome: Outcome) -> list[tuple[float, Template, Atoms]]:
    """The element as ASE's collection of ground states has it: Lejaeghere et al., Science 351, aad3000 (2016)."""
    from ase.collections import dcdft

    symbol = element_symbol(candidate.composition[0][0])
    if symbol not in dcdft.names or len(dcdft[symbol]) > MAX_ATOMS:
        return []
    cell = dcdft[symbol]
    template = Template("ground-state", "ground state", frozenset({"element"}), (1,), cell)
    try:
        (energy,) = potential.energies([cell])
    except UserError as error:
        outcome.dropped.append((template.label, str(error)))
        return []
    return [(float(energy) / len(cell), template, cell)]


def _closeness(cell: Atoms) -> float:
    """The shortest distance between atoms in units of the sum of their covalent radii."""
    cutoff = 1.5 * min(cell.cell.lengths())
    first, second, distances = neighbour_pairs(Crystal.from_ase(cell), cutoff)[:3]
    radii = covalent_radii[cell.numbers]
    return float((distances / (radii[first] + radii[second])).min())


def _scaled(cell: Atoms, factor: float) -> Atoms:
    scaled = cell.copy()
    scaled.set_cell(cell.cell.array * factor, scale_atoms=True)
    return scaled


def _best_size(cell: Atoms, potential: Potential) -> tuple[float, float]:
    """Lowest energy per atom and its length, by parabola; the window follows the minimum once if it lies outside.

    Raises:
        EvaluationError: The potential fails or explodes.
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


def _relaxed(
    candidate: Candidate, chosen: list[tuple[float, Template, Atoms]], potential: Potential, outcome: Outcome
) -> list[tuple[float, Template, Crystal, RelaxedCrystal]]:
    """Energy per atom and relaxed cell of each, lowest first; those that became the same crystal once."""
    found: list[tuple[float, Template, Crystal, RelaxedCrystal]] = []
    for _, template, cell in chosen:
        crystal = Crystal.from_ase(cell, id=f"{candidate.formula}:{template.label}")
        try:
            relaxed = relax_crystal(
                crystal, potential, fmax=SETTINGS.fmax, max_steps=SETTINGS.max_steps, symprec=SETTINGS.symprec
            )
            (energy,) = potential.energies([relaxed.atoms])
        except UserError as error:
            outcome.dropped.append((template.label, str(error)))
            continue
        found.append((float(energy) / len(relaxed.atoms), template, crystal, relaxed))
    found.sort(key=lambda item: item[0])
    matcher = StructureMatcher()
    kept: list[tuple[float, Template, Crystal, RelaxedCrystal]] = []
    for item in found:
        structure = AseAtomsAdaptor.get_structure(item[3].atoms)
        if any(matcher.fit(structure, AseAtomsAdaptor.get_structure(other[3].atoms)) for other in kept):
            outcome.dropped.append((item[1].label, "duplicate: relaxed to the same crystal as a lower one"))
        else:
            kept.append(item)
    return kept


def _reference(candidate: Candidate, elements: Mapping[int, float]) -> float:
    """Energy per atom of the elements in the proportions of the candidate."""
    if candidate.bonding == "element":
        return 0.0
    total = sum(n for _, n in candidate.composition)
    return sum(n * elements[z] for z, n in candidate.composition) / total


def _fault(candidate: Candidate, cell: RelaxedCrystal, formation_energy: float, above_best: float) -> str | None:
    if above_best > MAX_ABOVE_BEST_EV:
        return f"more than {MAX_ABOVE_BEST_EV:g} eV per atom above the best prototype"
    if formation_energy > 0 and candidate.bonding != "element":
        return "falls apart: above its elements"
    if _closeness(cell.atoms) < CLOSEST:
        return f"atoms closer than {CLOSEST:g} times the sum of their covalent radii"
    return None


def row_of(entry: Entry, potential: str) -> dict[str, Any]:
    """A row of the data set, by the schema of labelled tables."""
    answer, atoms = entry.answer, entry.relaxed.atoms
    n_atoms = len(atoms)
    return {
        "id": f"prototype:{answer.id}",
        "formula": answer.formula,
        "prototype": entry.template.label,
        "prototype_name": entry.template.title,
        "spacegroup": entry.relaxed.space_group,
        "lattice": atoms.cell.array.tolist(),
        "species": atoms.get_chemical_symbols(),
        "frac_coords": atoms.get_scaled_positions().tolist(),
        "n_sites": n_atoms,
        "volume_per_atom": atoms.get_volume() / n_atoms,
        "kappa_w_mk_300k": answer.kappa_w_mk,
        "fidelity": "agl",
        "source": f"kappatune AGL with {potential}",
        "energy_per_atom_ev": answer.energy_per_atom_ev,
        "formation_energy_ev_per_atom": entry.formation_energy_ev,
        "energy_above_best_ev_per_atom": entry.above_best_ev,
        "n_competing": entry.n_competing,
        "debye_temperature_k": answer.debye_temperature_k,
        "gruneisen": answer.gruneisen,
        "bulk_modulus_gpa": answer.bulk_modulus_gpa,
        "poisson_ratio": answer.poisson_ratio,
        "heat_capacity_v": answer.heat_capacity_v,
        "thermal_expansion_per_k": answer.thermal_expansion_per_k,
    }
