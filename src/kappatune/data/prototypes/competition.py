"""One composition: its prototypes compete by energy, the best are relaxed, and AGL gives their conductivity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor

from kappatune.calculations.agl import agl_of_relaxed
from kappatune.calculations.agl_result import AglResult
from kappatune.calculations.agl_settings import AglSettings
from kappatune.calculations.relaxation import RelaxedCrystal, relax_crystal
from kappatune.data.prototypes.compositions import CandidateComposition
from kappatune.data.prototypes.templates import Template
from kappatune.data.prototypes.unrelaxed import UnrelaxedPrototype, relative_distance, unrelaxed_prototypes
from kappatune.errors import UserError
from kappatune.potentials import Potential
from kappatune.structures import Crystal, element_symbol

SETTINGS = AglSettings(fmax=5e-3, max_steps=150, poisson="network")

MAX_RELAXED = 2
"""Prototypes of a composition that are relaxed at most."""

MAX_UNRELAXED_ABOVE_BEST_EV = 0.15
"""Unrelaxed prototypes are dropped this far above the best, eV per atom."""

MAX_ABOVE_BEST_EV = 0.1
"""Relaxed crystals are dropped this far above the best of their composition, eV per atom."""

MAX_UNRELAXED_FORMATION_EV = 0.25
"""Formation energy of the best unrelaxed prototype above which nothing is relaxed, eV per atom."""

MOLECULES = frozenset((1, 7, 8, 9, 17, 35, 53))
"""Elements that form two-atom molecules: references for others, but no crystals for AGL."""

GRUNEISEN = (0.8, 3.5)
"""Grüneisen parameters outside this range are taken for an error of the potential."""

MIN_RELATIVE_DISTANCE = 0.6
"""Smallest distance between atoms in units of the sum of their covalent radii."""


@dataclass(frozen=True)
class PrototypeCrystal:
    """A crystal of the data set.

    Attributes:
        template: Its prototype.
        relaxed: The relaxed cell.
        agl: The result of AGL.
        formation_energy_ev: Per atom, against the elements by the same potential; 0 for at least one crystal of each
            element.
        above_best_ev: Energy per atom above the best relaxed prototype of the composition.
        n_competing: Prototypes whose energies were compared.
    """

    template: Template
    relaxed: RelaxedCrystal
    agl: AglResult
    formation_energy_ev: float
    above_best_ev: float
    n_competing: int


@dataclass
class CompositionResult:
    """What was found for a composition.

    Attributes:
        crystals: What goes into the data set.
        dropped: Prototype (or `all`) and reason of what does not.
        lowest_ev: Lowest relaxed energy, eV per atom; None if nothing relaxed.
    """

    crystals: list[PrototypeCrystal] = field(default_factory=list)
    dropped: list[tuple[str, str]] = field(default_factory=list)
    lowest_ev: float | None = None

    def drop(self, prototype: str, reason: str) -> None:
        """Note that a prototype, or `all` of them, does not go into the data set."""
        self.dropped.append((prototype, reason))


@dataclass(frozen=True)
class _RelaxedPrototype:
    energy_ev: float
    template: Template
    crystal: Crystal
    relaxed: RelaxedCrystal


def compute_composition(
    candidate: CandidateComposition, potential: Potential, elements: Mapping[int, float]
) -> CompositionResult:
    """Let the prototypes of a composition compete by energy, and compute AGL for the best.

    All prototypes of the stoichiometry are compared as the library has them, at their best size; the best few are
    relaxed.

    Args:
        candidate: The composition.
        potential: Gives all energies.
        elements: Energy of each element, eV per atom; not needed for elements themselves.
    """
    result = CompositionResult()
    is_element = candidate.bonding == "element"
    unknown = sorted({z for z, _ in candidate.amounts} - elements.keys())
    if unknown and not is_element:
        names = ", ".join(map(element_symbol, unknown))
        result.drop("all", f"no reference energy: nothing relaxed for {names}")
        return result
    competing, result.dropped = unrelaxed_prototypes(candidate, potential)
    if not competing:
        return result
    lowest = competing[0].energy_ev
    reference = 0.0 if is_element else _energy_of_elements(candidate, elements)
    if not is_element and lowest - reference > MAX_UNRELAXED_FORMATION_EV:
        result.drop("all", "falls apart: far above its elements before any relaxation")
        return result
    chosen = [one for one in competing if one.energy_ev - lowest < MAX_UNRELAXED_ABOVE_BEST_EV][:MAX_RELAXED]
    relaxed = _relax(candidate, chosen, potential, result)
    if not relaxed:
        return result
    result.lowest_ev = relaxed[0].energy_ev
    if is_element:
        reference = result.lowest_ev
        if candidate.amounts[0][0] in MOLECULES:
            result.drop("all", "molecules: AGL is for crystals of atoms")
            return result
    for one in relaxed:
        formation, above_best = one.energy_ev - reference, one.energy_ev - result.lowest_ev
        try:
            _check_energies(formation, above_best, is_element)
            agl = _checked_agl(one, potential)
        except UserError as error:
            result.drop(one.template.label, str(error))
            continue
        result.crystals.append(PrototypeCrystal(one.template, one.relaxed, agl, formation, above_best, len(competing)))
    return result


def _relax(
    candidate: CandidateComposition,
    chosen: list[UnrelaxedPrototype],
    potential: Potential,
    result: CompositionResult,
) -> list[_RelaxedPrototype]:
    """The relaxed prototypes, lowest first; of those that became the same crystal, one."""
    found = []
    for one in chosen:
        crystal = Crystal.from_ase(one.cell, id=f"{candidate.formula}:{one.template.label}")
        try:
            relaxed = relax_crystal(
                crystal, potential, fmax=SETTINGS.fmax, max_steps=SETTINGS.max_steps, symprec=SETTINGS.symprec
            )
            (energy,) = potential.energies([relaxed.atoms])
        except UserError as error:
            result.drop(one.template.label, str(error))
            continue
        found.append(_RelaxedPrototype(float(energy) / len(relaxed.atoms), one.template, crystal, relaxed))
    found.sort(key=lambda prototype: prototype.energy_ev)
    return _without_duplicates(found, result)


def _without_duplicates(relaxed: list[_RelaxedPrototype], result: CompositionResult) -> list[_RelaxedPrototype]:
    matcher = StructureMatcher()
    distinct: list[_RelaxedPrototype] = []
    for one in relaxed:
        structure = AseAtomsAdaptor.get_structure(one.relaxed.atoms)
        if any(matcher.fit(structure, AseAtomsAdaptor.get_structure(other.relaxed.atoms)) for other in distinct):
            result.drop(one.template.label, "duplicate: relaxed to the same crystal as a lower one")
        else:
            distinct.append(one)
    return distinct


def _energy_of_elements(candidate: CandidateComposition, elements: Mapping[int, float]) -> float:
    """Energy per atom of the elements in the proportions of the candidate."""
    total = sum(n for _, n in candidate.amounts)
    return sum(n * elements[z] for z, n in candidate.amounts) / total


def _check_energies(formation_energy: float, above_best: float, is_element: bool) -> None:
    if above_best > MAX_ABOVE_BEST_EV:
        raise UserError(f"more than {MAX_ABOVE_BEST_EV:g} eV per atom above the best prototype")
    if formation_energy > 0 and not is_element:
        raise UserError("falls apart: above its elements")


def _checked_agl(one: _RelaxedPrototype, potential: Potential) -> AglResult:
    if relative_distance(one.relaxed.atoms) < MIN_RELATIVE_DISTANCE:
        raise UserError(f"atoms closer than {MIN_RELATIVE_DISTANCE:g} times the sum of their covalent radii")
    agl = agl_of_relaxed(one.crystal, one.relaxed, potential, SETTINGS)
    low, high = GRUNEISEN
    if agl.gruneisen is None or not low <= agl.gruneisen <= high:
        raise UserError(f"Grüneisen parameter outside {low:g} to {high:g}")
    return agl
