"""What a person types to find a crystal: a formula in any order, or a chemical system."""

from __future__ import annotations

import re
import warnings
from typing import NamedTuple, Self

from kappatune.errors import UserError
from kappatune.structures.formula import formula_key, usual_formula

LONGEST = 80
_SYSTEM = re.compile(r"[A-Z][a-z]?(\s*-\s*[A-Z][a-z]?)+")


class BadFormula(UserError):
    """A text that is neither a formula nor a chemical system."""


class FormulaQuery(NamedTuple):
    """What to look for.

    Attributes:
        shown: As the field writes it.
        key: Reduced formula as `Crystal.formula_key`; None for a chemical system.
        elements: Symbols in alphabetical order.
    """

    shown: str
    key: str | None
    elements: tuple[str, ...]

    @classmethod
    def read(cls, text: str) -> Self:
        """Read `PbTe`, `TePb`, `Pb2Te2`, `Ca(OH)2`, or the system `Pb-Te`.

        Raises:
            BadFormula: It is neither.
        """
        from pymatgen.core import Composition, Element

        text = text.strip()
        advice = "write a formula as PbTe or CuGaTe2, or the elements as Pb-Te"
        if not text or len(text) > LONGEST:
            raise BadFormula(f"there is no formula of {len(text)} characters: {advice}")
        if _SYSTEM.fullmatch(text):
            symbols = tuple(sorted({symbol.strip() for symbol in text.split("-")}))
            unknown = [symbol for symbol in symbols if not Element.is_valid_symbol(symbol)]
            if unknown:
                raise BadFormula(f"{unknown[0]} is not an element: {advice}")
            return cls("-".join(symbols), None, symbols)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                counts = dict(Composition(text, strict=True).get_el_amt_dict())
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise BadFormula(f"'{text}' is not a formula: {advice}") from error
        if not counts or any(not 0 < n < 1e6 or not Element.is_valid_symbol(symbol) for symbol, n in counts.items()):
            raise BadFormula(f"'{text}' is not a formula: {advice}")
        whole = {symbol: int(n) if float(n).is_integer() else n for symbol, n in counts.items()}
        return cls(usual_formula(whole), formula_key(whole), tuple(sorted(whole)))
