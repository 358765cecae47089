"""Reduced formulas: one as the field writes it, and one by which crystals are grouped."""

from __future__ import annotations

import math
import re
import warnings
from collections import Counter
from collections.abc import Mapping
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from kappatune.structures.formula_order import ordered, written

_SYMBOL = re.compile("[A-Z][a-z]?")
_OXIDISED_HALOGENS = ("Cl", "Br", "I")

Counts = tuple[tuple[str, float], ...]
"""Symbols and numbers of atoms."""


def formula_key(symbols: Mapping[str, float]) -> str:
    """Reduced formula by which crystals are grouped: pymatgen's, in the order of electronegativity (`TePb`)."""
    return _key(tuple(sorted(symbols.items())))


def usual_formula(symbols: Mapping[str, float]) -> str:
    """Reduced formula as the field writes it: `PbTe`, `CuFeS2`, `BiOCl`, `KClO4`, `CaZn2Sb2`, `Ca3(PO4)2`.

    The order is that of IUPAC's recommendations of 2005, table VI, as pymatgen has it; but halogens and hydrogen
    stand before the oxygen of their oxo-anions (`KClO4`, `NaHCO3`), as electronegativity orders them, and metals in
    the order of their charges (`formula_order`).
    """
    return _usual(tuple(sorted(symbols.items())))


def symbol_counts(numbers: NDArray[np.int64]) -> dict[str, float]:
    """Atoms by symbol, of (n_atoms,) atomic numbers."""
    from ase.data import chemical_symbols

    return {chemical_symbols[z]: n for z, n in Counter(numbers.tolist()).items()}


@lru_cache(maxsize=65536)
def _key(counts: Counts) -> str:
    return _reduced(counts, iupac=False)


@lru_cache(maxsize=65536)
def _usual(counts: Counts) -> str:
    key = _key(counts)
    symbols = _SYMBOL.findall(key)
    amounts = {symbol: int(n) for symbol, n in counts if n == int(n)}
    if len(symbols) < 2 or len(amounts) < len(counts) or key in _special_formulas():
        return key
    places = [_iupac_place(symbol) for symbol in symbols]
    if math.inf not in places and not _is_oxo_anion(amounts):
        symbols.sort(key=_iupac_place)
    return written(ordered(symbols, amounts), amounts)


@cache
def _special_formulas() -> frozenset[str]:
    from pymatgen.core import Composition

    return frozenset(Composition.special_formulas.values())


def _is_oxo_anion(counts: dict[str, int]) -> bool:
    oxygen = counts.get("O", 0)
    halogen = sum(counts.get(symbol, 0) for symbol in _OXIDISED_HALOGENS)
    acid = "H" in counts and ("C" in counts or "N" in counts) and counts["H"] <= oxygen
    return acid or 0 < 2 * halogen <= oxygen


@cache
def _iupac_place(symbol: str) -> float:
    from pymatgen.core import Element

    try:
        return float(Element(symbol).iupac_ordering)
    except KeyError:  # of elements that no crystal has
        return math.inf


def _reduced(counts: Counts, *, iupac: bool) -> str:
    from pymatgen.core.composition import Composition, reduce_formula

    with warnings.catch_warnings():  # noble gases have no electronegativity, and pymatgen says so
        warnings.simplefilter("ignore")
        if all(isinstance(count, int) for _, count in counts):  # as below, without building a Composition
            formula = str(reduce_formula(dict(counts), iupac_ordering=iupac)[0])
            return str(Composition.special_formulas.get(formula, formula))
        return str(Composition(dict(counts)).get_reduced_formula_and_factor(iupac_ordering=iupac)[0])
