"""Text of crystal files, and reasons that readers of all formats share."""

from __future__ import annotations

import codecs
import math
import warnings
from collections.abc import Iterator, Mapping
from typing import BinaryIO, NoReturn

from kappatune.structures.crystal import BadCrystal
from kappatune.structures.formula import usual_formula

DISORDER_ADVICE = (
    "replace it by an ordered approximant (for example with pymatgen's OrderDisorderedStructureTransformation)"
)


def whole_text(file: BinaryIO) -> str:
    """All text of a file, whatever its line ends.

    Raises:
        BadCrystal: The file is empty, or holds binary data.
    """
    content = file.read()
    if b"\0" in content:
        _refuse_binary(content[: content.index(b"\0")].count(b"\n") + 1)
    text = decoded(content.removeprefix(codecs.BOM_UTF8))
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise BadCrystal("the file is empty: get the complete file")
    return text


def text_lines(file: BinaryIO) -> Iterator[str]:
    """The lines of a file, one after the other.

    Raises:
        BadCrystal: A line holds binary data.
    """
    for number, raw in enumerate(file, 1):
        if b"\0" in raw:
            _refuse_binary(number)
        yield decoded(raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw).replace("\r\n", "\n")


def decoded(content: bytes) -> str:
    """Text in UTF-8, or else in Latin-1, as older programs write names and comments."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _refuse_binary(line: int) -> NoReturn:
    raise BadCrystal(f"line {line} holds binary data: give a text file")


def formula_of(composition: str | Mapping[str, float]) -> str | None:
    """Reduced formula of what a file declares, or None where it cannot be read."""
    from pymatgen.core import Composition

    try:
        with warnings.catch_warnings():  # noble gases have no electronegativity, and pymatgen says so
            warnings.simplefilter("ignore")
            return usual_formula(Composition(composition).get_el_amt_dict()) or None
    except Exception:
        return None


def finite_number(value: object) -> float | None:
    """The number that a cell of a table holds, also as text; None where it holds none, and for true and false."""
    if isinstance(value, bool | type(None)):
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def printable(text: str) -> str:
    """The same text without surrogates, which no file can hold: they stand for bytes outside UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def unexpected(kind: str, error: Exception) -> str:
    """Reason for a parser's error that has no more precise one."""
    lines = str(error).strip().splitlines() if isinstance(error, ValueError) else []
    detail = lines[0][:120] if lines else type(error).__name__
    return f"the file does not follow the layout of {kind}: check that it is complete (the parser's message: {detail})"
