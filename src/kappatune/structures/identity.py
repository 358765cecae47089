"""Keys by which crystals are recognised: a hash of the structure, and the anonymous formula."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable

import numpy as np

from kappatune.structures.crystal import Crystal


def structure_hash(crystal: Crystal) -> str:
    """Key of a structure as given: 16 hexadecimal digits of a hash of its lattice, elements and coordinates."""
    digest = hashlib.sha256(crystal.numbers.astype(np.int64).tobytes())
    for array in (crystal.lattice, crystal.frac_coords % 1.0):
        digest.update((np.round(array, 5) + 0.0).tobytes())
    return digest.hexdigest()[:16]


def anonymous_formula(counts: Iterable[int]) -> str:
    """The formula with letters for elements, fewest atoms first: AB2 for the counts 1, 2 as well as for 4, 2."""
    numbers = [*counts]
    divisor = math.gcd(*numbers)
    return "".join(f"{_letter(k)}{n if n > 1 else ''}" for k, n in enumerate(sorted(n // divisor for n in numbers)))


def anonymous_formula_of(formula: str) -> str:
    """The anonymous formula of a formula: `CaF2`, `B2A` and `A2B4` give `AB2`.

    Raises:
        ValueError: It is not a formula, or names an element twice.
    """
    if not re.fullmatch(r"([A-Z][a-z]?([1-9][0-9]{0,3})?)+", formula):
        raise ValueError(f"'{formula}' is not a formula: write a prototype as AB2 or CaF2")
    letters, digits = zip(*re.findall(r"([A-Z][a-z]?)([0-9]*)", formula), strict=True)
    if len({*letters}) < len(letters):
        raise ValueError(f"'{formula}' names a letter twice: write a prototype as AB2 or CaF2")
    return anonymous_formula(int(number or 1) for number in digits)


def _letter(k: int) -> str:
    return chr(ord("A") + k) if k < 26 else f"[{k + 1}]"
