"""Which crystals of a scan are verified: the lowest of few atoms that no table labels, of varied chemistry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from pymatgen.core import Composition

from kappatune.screening import RankedCrystal, rank
from studies.transfer.splits import anion

N_CANDIDATES, MAX_ATOMS = 20, 12
N_PER_PROTOTYPE, N_PER_ANION = 2, 5


def candidates(scan: Path, n: int = N_CANDIDATES) -> list[RankedCrystal]:
    """The first of a scan that `varied` leaves, lowest first.

    Args:
        scan: Made with structures, by a model whose labels say which formulas a table holds.
        n: How many.
    """
    in_domain = rank(scan, n=10**9, in_domain_only=True)
    small = [crystal for crystal in in_domain if (crystal.n_atoms or MAX_ATOMS + 1) <= MAX_ATOMS]
    return varied([crystal for crystal in small if not crystal.known_rungs])[:n]


def varied(crystals: Iterable[RankedCrystal]) -> list[RankedCrystal]:
    """The first crystal of each formula, at most two of an anonymous formula and at most five of an anion."""
    formulas: set[str] = set()
    prototypes: Counter[str] = Counter()
    anions: Counter[str] = Counter()
    chosen = []
    for crystal in crystals:
        formula = crystal.formula or ""
        prototype, of_anion = Composition(formula).anonymized_formula, anion(formula)
        if formula in formulas or prototypes[prototype] == N_PER_PROTOTYPE or anions[of_anion] == N_PER_ANION:
            continue
        formulas.add(formula)
        prototypes[prototype] += 1
        anions[of_anion] += 1
        chosen.append(crystal)
    return chosen
