"""The order of the elements in a formula where electronegativity does not give the one that people write.

Metals are written by their charges, the lowest first: CuFeS2 (Cu+, Fe3+), PbTiO3 (Pb2+, Ti4+), CoFe2O4 (Co2+, Fe3+).
The charges are those that balance the anions and are the most frequent. Before them stand alkali metals, alkaline
earths, and, where metals of other kinds are with them, rare earths. Full Heusler alloys begin with what they have
twice: Fe2VAl.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from math import gcd

_ANIONS = {"F": 1, "Cl": 1, "Br": 1, "I": 1, "O": 2, "S": 2, "Se": 2, "Te": 2, "N": 3, "P": 3, "As": 3}
_PNICTOGENS = {"N", "P", "As"}
_ALKALI = ("Li", "Na", "K", "Rb", "Cs")
_EARTHS = ("Be", "Mg", "Ca", "Sr", "Ba")
_RARE_EARTHS = ("Sc", "Y", "La", "Ce", "Pr", "Nd", "Pm", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu")
_P_BLOCK = ("Al", "Si", "Ga", "Ge", "In", "Sn", "Sb", "Tl", "Pb", "Bi")
_OFTEN_BIG = ("Al", "Ga", "In", "Tl", "Pb", "Bi")
_EARLY = {"Ti", "Zr", "Hf", "Nb", "Ta", "Mo", "W", "Re"}
_LATE = {"Fe", "Ru", "Os", "Co", "Rh", "Ir", "Ni", "Pd", "Pt"}
_COINAGE = {"Cu", "Ag", "Au"}

_CHARGES: dict[str, dict[int, float]] = {
    **{symbol: {1: 0.0} for symbol in _ALKALI},
    **{symbol: {2: 0.0} for symbol in (*_EARTHS, "Zn", "Cd")},
    **{symbol: {3: 0.0} for symbol in (*_RARE_EARTHS, "Al")},
    "Ce": {3: 0.0, 4: 0.6},
    "Sm": {3: 0.0, 2: 1.2},
    "Eu": {3: 0.0, 2: 0.1},
    "Yb": {3: 0.0, 2: 0.8},
    "Th": {4: 0.0},
    "U": {6: 0.0, 4: 0.3, 5: 0.7},
    "Ti": {4: 0.0, 3: 0.7, 2: 1.2},
    "Zr": {4: 0.0, 3: 1.1, 2: 1.3},
    "Hf": {4: 0.0, 2: 1.4},
    "V": {5: 0.0, 4: 0.4, 3: 0.5, 2: 1.2},
    "Nb": {5: 0.0, 4: 0.7, 3: 1.1},
    "Ta": {5: 0.0, 4: 0.9, 3: 1.5},
    "Cr": {3: 0.0, 6: 0.4, 2: 0.5, 5: 0.8, 4: 0.9},
    "Mo": {6: 0.0, 5: 0.8, 3: 0.9, 4: 1.0},
    "W": {6: 0.0, 5: 1.1, 4: 1.4},
    "Mn": {2: 0.0, 3: 0.4, 4: 0.7},
    "Re": {7: 0.0, 5: 0.2, 6: 0.3, 4: 0.3},
    "Fe": {3: 0.0, 2: 0.2},
    "Ru": {5: 0.0, 4: 0.1, 3: 0.6},
    "Co": {2: 0.0, 3: 0.6},
    "Rh": {3: 0.0, 4: 0.5},
    "Ir": {4: 0.0, 5: 0.2, 3: 0.4},
    "Ni": {2: 0.0, 3: 0.8},
    "Pd": {2: 0.0, 4: 1.0},
    "Pt": {4: 0.0, 2: 0.0},
    "Os": {5: 0.0, 4: 0.0, 6: 0.0},
    "Cu": {1: 0.0, 2: 0.0, 3: 1.4},
    "Ag": {1: 0.0, 2: 1.5},
    "Au": {1: 0.0, 3: 0.0},
    "Hg": {2: 0.0, 1: 0.8},
    "Ga": {3: 0.0, 2: 1.5},
    "In": {3: 0.0, 1: 0.9},
    "Tl": {1: 0.0, 3: 0.9},
    "Si": {4: 0.0},
    "Ge": {4: 0.0, 2: 1.2, 3: 1.3},
    "Sn": {4: 0.0, 2: 0.2},
    "Pb": {2: 0.0, 4: 1.0},
    "Sb": {3: 0.0, 5: 0.1},
    "Bi": {3: 0.0, 5: 1.2},
    "B": {3: 0.0},
    "P": {5: 0.0, 4: 1.2, 3: 1.6},
    "As": {5: 0.0, 3: 0.4},
    "S": {6: 0.0, 4: 0.3},
    "Se": {4: 0.0, 6: 0.7},
    "Te": {4: 0.0, 6: 0.5},
    "N": {5: 0.0, 3: 0.1},
    "C": {4: 0.0, 3: 0.7},
    "Cl": {7: 0.0, 5: 0.3},
    "Br": {5: 0.0, 7: 0.6},
    "I": {5: 0.0, 7: 1.0},
}
"""Charges of each element in compounds, and how rare each is: log10 of the share of the most frequent one in the
crystals of the ICSD (occurrences in pymatgen's `icsd_bv.yaml`, from S. P. Ong et al., Comput. Mater. Sci. 68, 314
(2013)), to 0.1; Pt, Os and Au, which it lacks, by their usual charges."""

_GROUPS = {
    ("N", "O"): (2, 3),
    ("C", "O"): (3,),
    ("P", "O"): (3, 4),
    ("S", "O"): (3, 4),
    ("Se", "O"): (3, 4),
    ("As", "O"): (4,),
    ("Cl", "O"): (3, 4),
    ("Br", "O"): (3,),
    ("I", "O"): (3,),
    ("B", "O"): (3,),
    ("O", "H"): (1,),
    ("C", "N"): (1,),
    ("B", "H"): (4,),
    ("Al", "H"): (4,),
    ("B", "F"): (4,),
    ("P", "F"): (6,),
}
"""Anions that are written in parentheses: two elements, and how many of the second there are for one of the first."""


def ordered(symbols: Sequence[str], counts: Mapping[str, int]) -> list[str]:
    """Elements in the order in which people write them.

    Args:
        symbols: Elements in the order of electronegativity or of IUPAC; where charges do not decide, it stays.
        counts: Number of atoms of each.
    """
    if heusler := _heusler(counts):
        return heusler
    if "H" in counts:
        return _with_hydrogen(symbols, counts)
    return _by_charge(symbols, counts)


def written(symbols: Sequence[str], counts: Mapping[str, int]) -> str:
    """A formula in a given order, with parentheses around anions that people know by name."""
    divisor = reduce(gcd, counts.values())
    amounts = {symbol: counts[symbol] // divisor for symbol in symbols}
    tail = ""
    if len(symbols) > 2:
        pair = (symbols[-2], symbols[-1])
        first, second = amounts[pair[0]], amounts[pair[1]]
        if first > 1 and second % first == 0 and second // first in _GROUPS.get(pair, ()):
            tail = f"({_text({pair[0]: 1, pair[1]: second // first})}){first}"
            symbols = symbols[:-2]
    return _text({symbol: amounts[symbol] for symbol in symbols}) + tail


def _text(amounts: Mapping[str, int]) -> str:
    return "".join(f"{symbol}{n if n > 1 else ''}" for symbol, n in amounts.items())


def _heusler(counts: Mapping[str, int]) -> list[str] | None:
    """X2YZ of two transition metals and an element of the p block."""
    divisor = reduce(gcd, counts.values())
    if sorted(n // divisor for n in counts.values()) != [1, 1, 2]:
        return None
    twice = max(counts, key=lambda symbol: counts[symbol])
    rest = [symbol for symbol in counts if symbol != twice]
    ends = [symbol for symbol in rest if symbol in _P_BLOCK]
    metals = _EARLY | _LATE | _COINAGE | {"V", "Cr", "Mn", "Zn"}
    if len(ends) != 1 or twice not in metals or not {*rest} - {*ends} <= metals:
        return None
    return [twice, *({*rest} - {*ends}), *ends]


def _with_hydrogen(symbols: Sequence[str], counts: Mapping[str, int]) -> list[str]:
    """Hydroxides end with OH; in acids hydrogen stands before the atom in the middle of the anion, as in KH2PO4."""
    others = [symbol for symbol in symbols if symbol not in ("O", "H")]
    metals = [symbol for symbol in others if symbol not in _ANIONS and symbol not in ("B", "C", "Si")]
    if metals and metals == others and counts.get("O") == counts["H"]:
        return [*others, "O", "H"]
    middle = [symbol for symbol in others if symbol in ("P", "As", "S", "Se", "Te", "B")]
    if len(middle) == 1 and len(metals) + 1 == len(others) and counts["H"] <= counts.get("O", 0):
        return [*metals, "H", *middle, "O"]
    return [*symbols]


def _by_charge(symbols: Sequence[str], counts: Mapping[str, int]) -> list[str]:
    """Metals in the order of their charges, then the atoms in the middle of anions, then the anions."""
    anions = _anions(counts)
    if not anions and "O" in counts:
        return _with_two_anions(symbols)
    has_oxygen = "O" in anions
    middle = _ANIONS.keys() | ({"B", "C", "Si", "Ge"} if has_oxygen else {"B", "C"})
    metals = [symbol for symbol in symbols if symbol not in anions | middle]
    if not anions - _PNICTOGENS and {"Mg", "Be"} & {*metals}:  # YbMg2Bi2, where IUPAC has Mg first
        return sorted(symbols, key=lambda symbol: symbol not in _RARE_EARTHS)
    if not anions or any(symbol not in _CHARGES for symbol in counts.keys() - anions):
        return [*symbols]
    others = [symbol for symbol in symbols if symbol not in metals]
    if has_oxygen or (len(metals) > 1 and not (_EARLY & {*metals} and _LATE & {*metals})):
        return [*_sorted_metals(metals, anions, counts), *others]
    return [*symbols]  # Ta2NiSe5: these are hardly ions


def _sorted_metals(metals: list[str], anions: set[str], counts: Mapping[str, int]) -> list[str]:
    has_oxygen = "O" in anions
    cations = [symbol for symbol in counts if symbol not in anions]
    charges = _balanced(cations, counts, sum(_ANIONS[symbol] * counts[symbol] for symbol in anions))
    if charges is None:
        return metals if has_oxygen or anions <= _PNICTOGENS else sorted(metals, key=_place_without_charge)
    charges = {symbol: charges[symbol] for symbol in metals}
    if len(metals) == 2 and 1 in charges.values():
        early = has_oxygen and len({counts[symbol] for symbol in metals}) == 2  # CuYO2 is not early, La4Cu2O7 is
    else:
        early = has_oxygen or len(metals) > 2
    return sorted(metals, key=_place(charges, rare_earths_early=early))


def _with_two_anions(symbols: Sequence[str]) -> list[str]:
    """Oxysulfides and the like: La2O2S, BiCuSeO."""
    metals = [symbol for symbol in symbols if symbol not in _ANIONS]
    if len(metals) > 1:
        return sorted(symbols, key=lambda symbol: symbol not in (*_ALKALI, *_EARTHS, *_RARE_EARTHS, "Bi"))
    chalcogens = [symbol for symbol in symbols if symbol in ("S", "Se", "Te")]
    if len(metals) != 1 or len(symbols) != len(chalcogens) + 2:
        return [*symbols]
    return [*metals, "O", *chalcogens]


def _anions(counts: Mapping[str, int]) -> set[str]:
    """Elements that are anions; none where S, Se or the like are so beside O or F."""
    present = {symbol for symbol in _ANIONS if symbol in counts}
    if oxides := present & {"O", "F"}:
        return oxides if _is_oxidised(present - oxides, counts) else set()
    return present - _PNICTOGENS or (present if len(present) == 1 else set())


def _is_oxidised(middle: set[str], counts: Mapping[str, int]) -> bool:
    oxygen = counts.get("O", 0)
    return all(2 * counts[symbol] + (symbol in ("S", "Se", "Te")) <= oxygen for symbol in middle)


def _balanced(cations: Sequence[str], counts: Mapping[str, int], total: int) -> dict[str, int] | None:
    """The most frequent charges of the cations that add up to those of the anions."""
    found = min(_balances([*cations], counts, total), key=lambda one: one[0], default=None)
    return None if found is None else found[1]


def _balances(cations: list[str], counts: Mapping[str, int], total: int) -> Iterator[tuple[float, dict[str, int]]]:
    if not cations:
        if total == 0:
            yield 0.0, {}
        return
    first, *rest = cations
    for charge, rarity in _CHARGES[first].items():
        left = total - charge * counts[first]
        if left >= 0:
            for sum_of_rest, charges in _balances(rest, counts, left):
                yield rarity + sum_of_rest, {first: charge, **charges}


def _place_without_charge(symbol: str) -> int:
    """Copper and the like stand before other metals also where charges do not balance: Cu12Sb4S13."""
    if symbol in _ALKALI + _EARTHS + _RARE_EARTHS:
        return 0
    return 1 if symbol == "Tl" else 2 if symbol in _COINAGE else 3


def _place(charges: Mapping[str, int], *, rare_earths_early: bool) -> Callable[[str], tuple[int, int, int]]:
    def place(symbol: str) -> tuple[int, int, int]:
        charge = charges[symbol]
        if symbol in _ALKALI:
            return 0, 0, 0
        if symbol in _EARTHS or (symbol in _RARE_EARTHS and charge == 2):
            return 1, 0, 0
        if symbol in _RARE_EARTHS and rare_earths_early:
            return 2, 0, 0
        if symbol == "Tl" and charge == 1:
            return 3, charge, 0
        kind = 1 if symbol in _COINAGE or symbol in _RARE_EARTHS else 2 if symbol in _OFTEN_BIG else 3
        return 3, charge, kind

    return place
