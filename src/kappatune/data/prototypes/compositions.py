"""Compositions worth a calculation: charge balance, electronegativities, radii, electron counts.

Their order is fixed, and kinds of compounds take turns in it, so that a longer data set begins with the shorter one.
"""

from __future__ import annotations

import itertools
import operator
import random
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from math import sqrt

import numpy as np
from ase.data import covalent_radii
from pymatgen.core import Element, Species

from kappatune.data.prototypes.templates import Bonding, electronegativity

ORDER_SEED = 20261123

ELEMENTS = tuple(z for z in (*range(1, 84), 90, 92) if z not in (2, 10, 18, 36, 54, 61))
"""Hydrogen to bismuth, thorium and uranium, without noble gases and promethium."""

MAX_RADIUS_RATIO = 1.8
"""Largest ratio of covalent radii in an intermetallic compound (Laves phases reach 1.7)."""

MIN_DIFFERENCE = {"ionic": 0.2, "metallic": 0.3}
"""Smallest difference of Pauling electronegativities within a compound."""

TOLERANCE_FACTORS = (0.80, 1.06)
"""Goldschmidt's tolerance factor of a cubic perovskite."""

MIN_OCTAHEDRAL_FACTOR = 0.41
"""Smallest radius ratio of the cation in an octahedron."""

_SMALL = frozenset((1, 5, 6, 7, 8))
"""Hydrogen, boron, carbon, nitrogen and oxygen fill gaps: the limit on the ratio of radii does not apply to them."""


@dataclass(frozen=True)
class CandidateComposition:
    """A composition to compute.

    Attributes:
        amounts: (atomic number, atoms per formula unit), ascending.
        bonding: Which prototypes it is offered to: `ionic`, `metallic` or, for elements, `element`.
    """

    amounts: tuple[tuple[int, int], ...]
    bonding: Bonding

    @property
    def formula(self) -> str:
        """Formula in the order of electronegativity."""
        order = sorted(self.amounts, key=lambda item: electronegativity(item[0]))
        return "".join(f"{Element.from_Z(z).symbol}{n if n > 1 else ''}" for z, n in order)


def candidate_compositions() -> Iterator[CandidateComposition]:
    """All compositions: first the elements, then the kinds of compounds in turn, each by its weight."""
    yield from (CandidateComposition(((z, 1),), "element") for z in ELEMENTS)
    queues = [(iter(_shuffled(name, make())), weight) for name, (weight, make) in _KINDS.items()]
    seen = set()
    while queues:
        left = []
        for queue, weight in queues:
            turn = list(itertools.islice(queue, weight))
            for candidate in turn:
                if candidate not in seen:
                    seen.add(candidate)
                    yield candidate
            if len(turn) == weight:
                left.append((queue, weight))
        queues = left


def _shuffled(name: str, found: Iterator[CandidateComposition]) -> list[CandidateComposition]:
    drawn = sorted(set(found), key=lambda c: c.amounts)
    random.Random(f"{ORDER_SEED} {name}").shuffle(drawn)
    return drawn


def balanced(composition: Mapping[int, int]) -> bool:
    """Whether some choice of common oxidation states, one per element, adds up to zero.

    The most electronegative element is negative, the least electronegative one positive; of several such one is enough.

    Args:
        composition: Atoms per formula unit of each atomic number.
    """
    values = [electronegativity(z) for z in composition]
    low, high = (np.flatnonzero(np.equal(values, end)) for end in (min(values), max(values)))
    amounts = list(composition.values())
    return any(
        sum(map(operator.mul, states, amounts)) == 0
        and any(states[k] > 0 for k in low)
        and any(states[k] < 0 for k in high)
        for states in itertools.product(*(Element.from_Z(z).common_oxidation_states for z in composition))
    )


def perovskite_fits(a: int, b: int, x: int) -> bool:
    """Whether a cubic perovskite ABX3 is within Goldschmidt's and the octahedral limits, by Shannon's radii.

    t = (r_A + r_X) / (sqrt(2) (r_B + r_X)), Goldschmidt, Naturwissenschaften 14, 477 (1926).

    Args:
        a: Atomic number of the large cation.
        b: Atomic number of the cation in the octahedron.
        x: Atomic number of the anion.
    """
    low, high = TOLERANCE_FACTORS
    for s_a, s_b, s_x in itertools.product(*(Element.from_Z(z).common_oxidation_states for z in (a, b, x))):
        if s_x < 0 < min(s_a, s_b) and s_a + s_b + 3 * s_x == 0:
            r_a, r_b, r_x = _ionic_radius(a, s_a), _ionic_radius(b, s_b), _ionic_radius(x, s_x)
            if r_a and r_b and r_x and r_b >= MIN_OCTAHEDRAL_FACTOR * r_x:
                return low <= (r_a + r_x) / (sqrt(2.0) * (r_b + r_x)) <= high
    return False


@cache
def _ionic_radius(z: int, state: int) -> float | None:
    with warnings.catch_warnings():  # pymatgen warns of each radius it does not know, or has for two spins
        warnings.simplefilter("ignore", UserWarning)
        radius = Species(Element.from_Z(z).symbol, state).ionic_radius
    return None if radius is None else float(radius)


Role = tuple[Collection[int], int]
"""Elements that may take a role, and how many atoms of it a formula unit has."""


def _compounds(bonding: Bonding, roles: tuple[Role, ...]) -> Iterator[dict[int, int]]:
    """Compositions with one element per role, far enough apart in electronegativity."""
    counts = [count for _, count in roles]
    for elements in itertools.product(*(members for members, _ in roles)):
        values = [electronegativity(z) for z in elements]
        if len(set(elements)) == len(elements) and max(values) - min(values) >= MIN_DIFFERENCE[bonding]:
            yield dict(zip(elements, counts, strict=True))


def _ionic(*roles: Role) -> Iterator[CandidateComposition]:
    """Charge-balanced compounds."""
    for composition in _compounds("ionic", roles):
        if balanced(composition):
            yield CandidateComposition(tuple(sorted(composition.items())), "ionic")


def _perovskites() -> Iterator[CandidateComposition]:
    for candidate in _ionic((_METALS, 1), (_METALS, 1), (_symbols("O F Cl Br I S H"), 3)):
        a, b, x = sorted(dict(candidate.amounts), key=electronegativity)
        if dict(candidate.amounts)[x] == 3 and perovskite_fits(a, b, x):
            yield candidate


def _alloys(*roles: Role) -> Iterator[CandidateComposition]:
    """Intermetallic compounds of atoms that are not too different in size."""
    for composition in _compounds("metallic", roles):
        radii = [covalent_radii[z] for z in composition if z not in _SMALL]
        if max(radii) <= MAX_RADIUS_RATIO * min(radii):
            yield CandidateComposition(tuple(sorted(composition.items())), "metallic")


def _half_heuslers() -> Iterator[CandidateComposition]:
    """Ternary compounds with 8 or 18 valence electrons."""
    for candidate in _alloys((_groups(1, 2, 3, 4, 5), 1), (_LATE, 1), (_groups(13, 14, 15), 1)):
        if sum(_valence_electrons(z) for z, _ in candidate.amounts) in (8, 18):
            yield candidate


def _valence_electrons(z: int) -> int:
    """Electrons that take part in bonding: s, p, and d unless the shell is full; no f electrons."""
    element = Element.from_Z(z)
    group = 3 if element.is_lanthanoid else int(element.group)
    return group - 10 if group >= 12 else group


def _symbols(text: str) -> tuple[int, ...]:
    return tuple(Element(symbol).Z for symbol in text.split())


def _groups(*groups: int) -> tuple[int, ...]:
    return tuple(z for z in ELEMENTS if Element.from_Z(z).group in groups and z != 1)


def _between(low: float, high: float) -> tuple[int, ...]:
    return tuple(z for z in (*_METALS, *_METALLOIDS) if low <= electronegativity(z) <= high)


_METALS = tuple(z for z in ELEMENTS if Element.from_Z(z).is_metal)
_METALLOIDS = _symbols("B Si Ge As Sb Te")
_CATIONS = (*_METALS, *_symbols("B Si Ge As Sb"))
_ANIONS = _symbols("H B C N O F Si P S Cl Ge As Se Br Sn Sb Te I Bi")
_SOFT = _between(0.7, 1.75)
_HARD = _between(1.55, 2.6)
_LATE = _groups(8, 9, 10, 11, 12)
_HEAVY_MAIN = tuple(z for z in _groups(13, 14, 15) if z not in (5, 6, 7, 15))
_CHALCOGENS = _symbols("S Se Te")
_P_TO_TE = _symbols("P As Sb S Se Te")

_KINDS: dict[str, tuple[int, Callable[[], Iterator[CandidateComposition]]]] = {
    "AB ionic": (4, lambda: _ionic((_CATIONS, 1), (_ANIONS, 1))),
    "AB metallic": (4, lambda: _alloys((_SOFT, 1), (_HARD, 1))),
    "AB2 ionic": (2, lambda: _ionic((_CATIONS, 1), (_ANIONS, 2))),
    "A2B ionic": (1, lambda: _ionic((_CATIONS, 2), (_ANIONS, 1))),
    "AB2 metallic": (2, lambda: _alloys((_SOFT, 1), (_HARD, 2))),
    "A2B metallic": (2, lambda: _alloys((_SOFT, 2), (_HARD, 1))),
    "AB3 ionic": (1, lambda: _ionic((_CATIONS, 1), (_ANIONS, 3))),
    "A3B ionic": (1, lambda: _ionic((_groups(1, 11), 3), (_ANIONS, 1))),
    "AB3 metallic": (3, lambda: _alloys((_SOFT, 1), (_HARD, 3))),
    "A3B metallic": (1, lambda: _alloys((_SOFT, 3), (_HARD, 1))),
    "A2B3 ionic": (1, lambda: _ionic((_CATIONS, 2), (_symbols("O S Se Te"), 3))),
    "A2B3 metallic": (1, lambda: _alloys((_LATE, 2), (_groups(13), 3))),
    "AB4 metallic": (1, lambda: _alloys((_SOFT, 1), (_symbols("Al Ga In Zn Ni Pt Au"), 4))),
    "AB5 metallic": (1, lambda: _alloys((_groups(2, 3), 1), (_LATE, 5))),
    "AB6 metallic": (1, lambda: _alloys((_groups(1, 2, 3), 1), (_symbols("B"), 6))),
    "ABC half-Heusler": (2, _half_heuslers),
    "ABC halide": (1, lambda: _ionic((_groups(2, 3), 1), (_symbols("Cl Br I"), 1), (_symbols("O F H"), 1))),
    "ABC layered": (1, lambda: _ionic((_groups(1, 2), 1), (_groups(2, 11, 12, 13), 1), (_groups(14, 15), 1))),
    "ABC2 Heusler": (3, lambda: _alloys((_SOFT, 1), (_HEAVY_MAIN, 1), (_LATE, 2))),
    "ABC2 carbide": (1, lambda: _alloys((_groups(3, 4, 5, 6), 2), (_groups(13, 14), 1), (_symbols("C N"), 1))),
    "ABC2 ionic": (2, lambda: _ionic((_groups(1, 2, 11, 12), 1), (_CATIONS, 1), (_symbols("N O P S As Se Te"), 2))),
    "ABC3 ionic": (2, _perovskites),
    "ABC3 metallic": (1, lambda: _alloys((_groups(2, 3, 4, 9, 10), 3), (_HEAVY_MAIN, 1), (_symbols("B C N"), 1))),
    "AB2C4 layered": (1, lambda: _ionic((_groups(1, 2, 3), 2), (_METALS, 1), (_symbols("O F Cl"), 4))),
    "AB2C4 defect": (1, lambda: _ionic((_groups(2, 12), 1), (_groups(13), 2), (_CHALCOGENS, 4))),
    "AB3C4 ionic": (1, lambda: _ionic((_groups(5), 1), (_groups(11), 3), (_CHALCOGENS, 4))),
    "ABCD ionic": (
        1,
        lambda: _ionic((_groups(2, 3), 1), (_groups(*range(7, 13)), 1), (_P_TO_TE, 1), (_symbols("O F"), 1)),
    ),
}  # fmt: skip
"""Kinds of compounds: how many of each are taken in a turn, and how they are found."""
