"""Which symmetry a CIF means: its operations, symbol, number and Hall symbol are weighed against each other.

Operations that are a group and agree with the symbol are taken as they stand. Where they are missing, incomplete or
contradict the symbol, the contents of the cell (Z and the formula) decide, or the file is refused: a guess would be
another crystal.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kappatune.structures.cif.space_groups import (
    Group,
    ListedOperations,
    Setting,
    group_of_hall,
    listed_operations,
    names_of,
    settings_of_number,
    settings_of_short_symbol,
    settings_of_symbol,
    type_number,
)
from kappatune.structures.cif.space_groups import misfit as misfit_of
from kappatune.structures.crystal import BadCrystal, Crystal, neighbour_pairs

_MAX_MISFIT = 0.03
"""Relative change of the metric: an angle off by 1.7 degrees or a length by 1.5 %."""

_SHORTEST_BOND = 0.6
"""Of the sum of covalent radii: shorter than the shortest bonds known (0.68, uranyl)."""

_FORMULA_TOLERANCE = 0.01
_COUNT_TOLERANCE = 0.01
_SAME_DISTANCE = 1e-3
_TRICLINIC = 2
"""Largest number of a triclinic space group. International Tables list these in a primitive cell alone."""

_FAR_ANGSTROM = 5.0
_REMEDY = "name the setting or list all operations as _space_group_symop_operation_xyz"

Contents = Counter[int]
"""Atoms in the cell by atomic number."""


class Declared(NamedTuple):
    """What a file says of its symmetry.

    Attributes:
        symbols: Hermann-Mauguin symbols of the setting, as written.
        reference: Hermann-Mauguin symbol of the reference setting, which says the type alone.
        number: Of International Tables.
        hall: Hall symbol.
        system: Crystal system, as written.
        code: Of the coordinate system (`1`, `2`, `h`, `r`), as International Tables name it.
        operations: Triplets, as written.
        centrings: Triplets of the centring translations, where the operations leave these out (magnetic CIF).
        otherwise: Tag and value of a symmetry that none of these gives, such as a Schoenflies symbol.
    """

    symbols: tuple[str, ...] = ()
    reference: str = ""
    number: int | None = None
    hall: str = ""
    system: str = ""
    code: str = ""
    operations: tuple[str, ...] = ()
    centrings: tuple[str, ...] = ()
    otherwise: str = ""


@dataclass(frozen=True)
class _Named:
    """The groups that symbol, Hall symbol and number allow together.

    Attributes:
        text: How the file writes them, for messages; empty if it names none.
        groups: Empty if the symbol is not known, or if the names contradict each other.
        numbers: Types of the groups that any of the names allows.
        unknown: Whether the symbol is not known.
        other_axes: Groups of other unique axes, which a short monoclinic symbol means where the usual one does not fit.
    """

    text: str
    groups: tuple[Group, ...]
    numbers: frozenset[int]
    unknown: bool = False
    other_axes: tuple[Group, ...] = ()


@dataclass
class SymmetryEvidence:
    """The other contents of the file, by which a group is chosen.

    Attributes:
        lattice: (3, 3) row vectors, Å.
        crystal_in: The crystal that the listed sites become in a group.
        counts: Atoms in the formula by atomic number; empty without one.
        z: Formulas in the cell; 0 if it is not given.
        formula: As written.
    """

    lattice: NDArray[np.float64]
    crystal_in: Callable[[Group], Crystal]
    counts: dict[int, float]
    z: float
    formula: str

    @cached_property
    def stated(self) -> list[Contents]:
        """The contents of the cell by Z and the formula, or the reduced one; empty if either is missing."""
        if not self.counts or self.z < 1:
            return []
        whole = [round(count) for count in self.counts.values()]
        is_whole = all(abs(count - n) < 1e-6 for count, n in zip(self.counts.values(), whole, strict=True))
        found = []
        for units in {self.z, self.z / math.gcd(*whole)} if is_whole else {self.z}:
            contents = {number: count * units for number, count in self.counts.items()}
            if all(abs(count - round(count)) < _COUNT_TOLERANCE for count in contents.values()):
                found.append(Counter({number: round(count) for number, count in contents.items()}))
        return found

    @property
    def stated_text(self) -> str:
        """The same for messages, `Z = 4 of Mg O`; empty if either is missing."""
        return f"Z = {self.z:g} of {self.formula}" if self.stated else ""

    def contents(self, group: Group) -> Contents:
        """Atoms in the cell."""
        return Counter(self.crystal_in(group).numbers.tolist())

    def confirms(self, group: Group) -> bool:
        """Whether Z and the formula are given, and ask for what the group makes of the sites."""
        return self.contents(group) in self.stated

    def contradicts(self, group: Group) -> bool:
        """Whether Z and the formula are given, and ask for other contents."""
        return bool(self.stated) and not self.confirms(group)


def symmetry_of(declared: Declared, evidence: SymmetryEvidence) -> Group:
    """The group by which the sites of a file are to be repeated.

    Raises:
        BadCrystal: It is left open, contradicts itself or the cell, or an operation cannot be read.
    """
    named, listed, agrees = _weighed(declared)
    group = _by_name(named, declared, evidence) if listed is None else _by_operations(listed, named, agrees, evidence)
    if len(group) > 1 and misfit_of(group, evidence.lattice) > _MAX_MISFIT:
        raise BadCrystal(
            f"the cell does not have the symmetry of {group.name if listed is None else 'the listed operations'}"
            f"{f' ({named.text})' if named.text else ''}: correct the cell, or {_REMEDY}"
        )
    return group


def symmetry_is_certain(declared: Declared) -> bool:
    """Whether a complete group of operations is listed and a name agrees with it: nothing else is needed to choose."""
    named, listed, agrees = _weighed(declared)
    return listed is not None and not listed.missing and agrees and bool(named.groups)


@lru_cache(maxsize=4096)
def _weighed(declared: Declared) -> tuple[_Named, ListedOperations | None, bool]:
    """The named groups, the listed one, and whether they agree."""
    named = _named(declared)
    listed = _listed(declared) if declared.operations else None
    return named, listed, listed is not None and _agrees(listed.group, named)


def _listed(declared: Declared) -> ListedOperations:
    try:
        return listed_operations(declared.operations, declared.centrings)
    except ValueError as error:
        raise BadCrystal(str(error)) from error


def _by_operations(listed: ListedOperations, named: _Named, agrees: bool, evidence: SymmetryEvidence) -> Group:
    group = listed.group
    if not listed.missing and agrees and (named.groups or not evidence.contradicts(group)):
        return group
    is_named = any(group.keys == one.keys for one in named.groups)
    if listed.missing and is_named and not evidence.contradicts(group):
        return group
    if evidence.confirms(group) and (not listed.missing or agrees):
        return group
    n_atoms = evidence.contents(group).total()
    faults = [listed.missing] if listed.missing else []
    faults += [f"they give {n_atoms} atoms in the cell"] if not listed.missing or evidence.stated else []
    others = [text for text, counts in ((named.text, not agrees), (evidence.stated_text, True)) if text and counts]
    against = f", which contradicts {' and '.join(others)}" if others else ", and nothing else in the file decides"
    raise BadCrystal(
        f"the list of symmetry operations is incomplete or wrong: {' and '.join(faults)}{against}: "
        "list all operations as _space_group_symop_operation_xyz"
    )


def _agrees(group: Group, named: _Named) -> bool:
    """Whether the listed operations are one of the named groups, or one of the same type in another setting."""
    if not named.text:
        return True
    if any(group.keys == one.keys for one in named.groups):
        return True
    if named.unknown and not named.numbers:
        return len(group) > 1
    return type_number(group) in named.numbers


def _by_name(named: _Named, declared: Declared, evidence: SymmetryEvidence) -> Group:
    if not named.text:
        group = group_of_hall("P 1", "P 1")
        if evidence.contradicts(group):
            raise BadCrystal(
                f"the file gives no symmetry, and its {evidence.contents(group).total()} atoms contradict "
                f"{evidence.stated_text}: list the symmetry operations as _space_group_symop_operation_xyz"
            )
        if (system := declared.system).lower() not in ("", "triclinic"):
            raise BadCrystal(f"the file says that the crystal is {system} but gives no space group: {_REMEDY}")
        if declared.otherwise and not evidence.confirms(group):
            raise BadCrystal(f"the symmetry is given by {declared.otherwise} alone, which is not read: {_REMEDY}")
        return group
    if not named.groups:
        what = "is not known" if named.unknown else "contradicts itself"
        raise BadCrystal(
            f"the space group {named.text} {what} and no symmetry operations are listed: "
            "list them as _space_group_symop_operation_xyz"
        )
    fitting = _fitting(named.groups, evidence) or _fitting(named.other_axes, evidence)
    if not fitting:
        raise BadCrystal(
            f"the cell does not have the symmetry of {named.text} ({names_of(named.groups)}): "
            f"correct the cell, or {_REMEDY}"
        )
    if len(fitting) == 1:
        if evidence.contradicts(fitting[0]):
            n_atoms = evidence.contents(fitting[0]).total()
            raise BadCrystal(
                f"in {fitting[0].name} ({named.text}) the atom list gives {n_atoms} atoms in the cell, which "
                f"contradicts {evidence.stated_text}, and no symmetry operations are listed: {_REMEDY}"
            )
        return fitting[0]
    return _most_plausible(fitting, named, evidence)


def _fitting(groups: tuple[Group, ...], evidence: SymmetryEvidence) -> list[Group]:
    """The groups whose operations map the lattice onto itself."""
    return [one for one in groups if len(one) == 1 or misfit_of(one, evidence.lattice) <= _MAX_MISFIT]


def _most_plausible(groups: list[Group], named: _Named, evidence: SymmetryEvidence) -> Group:
    """The one of several settings that Z, the formula and the distances allow."""
    possible: list[tuple[Group, Crystal]] = []
    for group in groups:
        try:
            crystal = evidence.crystal_in(group)
        except BadCrystal:
            continue
        if _is_plausible(crystal, group, evidence):
            possible.append((group, crystal))
    if possible and all(_look_alike(possible[0][1], crystal) for _, crystal in possible[1:]):
        return possible[0][0]
    which = (
        f"{names_of([group for group, _ in possible])} are all possible" if possible else "none of its settings fits"
    )
    raise BadCrystal(
        f"the space group {named.text} leaves the setting open ({names_of(groups)}), and {which}: {_REMEDY}"
    )


def _is_plausible(crystal: Crystal, group: Group, evidence: SymmetryEvidence) -> bool:
    from ase.data import covalent_radii

    if evidence.contradicts(group):
        return False
    if evidence.counts and not same_composition(crystal, evidence.counts):
        return False
    radii = covalent_radii[crystal.numbers]
    first, second, distances = neighbour_pairs(crystal, 2 * _SHORTEST_BOND * float(radii.max()))
    return not (distances < _SHORTEST_BOND * (radii[first] + radii[second])).any()


def same_composition(crystal: Crystal, counts: dict[int, float]) -> bool:
    """Whether the shares of the elements are those of a formula."""
    numbers, total = crystal.numbers.tolist(), sum(counts.values())
    found = [numbers.count(z) for z in counts]
    return sum(found) == len(numbers) and all(
        math.isclose(n / len(numbers), count / total, rel_tol=_FORMULA_TOLERANCE)
        for n, count in zip(found, counts.values(), strict=True)
    )


def _look_alike(one: Crystal, other: Crystal) -> bool:
    """Whether two crystals have the same pairs at the same distances."""
    if sorted(one.numbers.tolist()) != sorted(other.numbers.tolist()):
        return False
    pairs = []
    for crystal in (one, other):
        first, second, distances = neighbour_pairs(crystal, _FAR_ANGSTROM)
        low, high = np.sort([crystal.numbers[first], crystal.numbers[second]], axis=0)
        order = np.lexsort((distances, high, low))
        pairs.append((low[order], high[order], distances[order]))
    (low, high, distances), (other_low, other_high, other_distances) = pairs
    return (
        np.array_equal(low, other_low)
        and np.array_equal(high, other_high)
        and np.allclose(distances, other_distances, rtol=0, atol=_SAME_DISTANCE)
    )


def _named(declared: Declared) -> _Named:
    """What the names of a file allow together."""
    by_symbol = [found for symbol in declared.symbols if (found := _settings(symbol))]
    by_number = settings_of_number(declared.number) if declared.number is not None else ()
    if not declared.symbols and not declared.hall:
        by_number = tuple(one for one in by_number if one.number > _TRICLINIC or one.name.startswith("P"))
    if not by_symbol and not declared.symbols and declared.reference:
        by_symbol = [settings_of_number(one.number) for one in settings_of_symbol(declared.reference)[:1]]
    hall = _group_of_hall(declared.hall)
    symbol = next((one for one in declared.symbols if _settings(one)), (*declared.symbols, declared.reference)[0])
    texts = [f"'{symbol}'"] if symbol else []
    texts += [f"(number {declared.number})"] if declared.number is not None else []
    texts += [f"(Hall symbol '{declared.hall}')"] if hall else []

    allowed = [one for one in (*by_symbol, by_number) if one]
    settings = tuple(one for one in allowed[0] if all(one in others for others in allowed)) if allowed else ()
    if declared.number is not None and not by_number:
        settings = ()
    if declared.code and (coded := tuple(one for one in settings if declared.code.lower() in one.codes)):
        settings = coded
    if declared.hall and not hall and not texts:
        return _Named(f"Hall symbol '{declared.hall}'", (), frozenset(), unknown=True)
    unknown = bool(symbol) and not by_symbol
    groups = () if unknown else _distinct(settings)
    numbers = frozenset(one.number for found in allowed for one in found)
    if hall:
        hall_type = type_number(hall)
        if not allowed or any(hall.keys == one.keys for one in groups) or hall_type in {s.number for s in settings}:
            groups = (hall,)
        else:
            groups = ()
        numbers |= {hall_type} if hall_type else set()
    others = _distinct(settings_of_short_symbol(symbol)) if groups and not hall and len(by_symbol) == 1 else ()
    return _Named(" ".join(texts), groups, numbers, unknown and not hall, others)


def _settings(symbol: str) -> tuple[Setting, ...]:
    return settings_of_symbol(symbol) or settings_of_short_symbol(symbol)


def _distinct(settings: Iterable[Setting]) -> tuple[Group, ...]:
    """Their groups, each once: some settings of the table have two names."""
    return tuple({frozenset(one.group.keys): one.group for one in reversed(tuple(settings))}.values())[::-1]


def _group_of_hall(hall: str) -> Group | None:
    """The group of a Hall symbol; one that cannot be read counts as not given."""
    try:
        return group_of_hall(hall) if hall else None
    except ValueError:
        return None
