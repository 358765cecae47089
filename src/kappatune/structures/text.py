"""Text of crystal files, and what the readers of every kind say about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO

from kappatune.structures.crystal import BadCrystal

DISORDER_ADVICE = (
    "replace it by an ordered approximant (for example with pymatgen's OrderDisorderedStructureTransformation)"
)


def whole_text(file: BinaryIO) -> str:
    """All text of a file, whatever its line ends.

    Raises:
        BadCrystal: The file is empty, or is not UTF-8 text.
    """
    text = "".join(text_lines(file)).replace("\r", "\n")
    if not text.strip():
        raise BadCrystal("the file is empty: get the complete file")
    return text


def text_lines(file: BinaryIO) -> Iterator[str]:
    """The lines of a file, one after the other.

    Raises:
        BadCrystal: A line is not UTF-8 text.
    """
    for number, raw in enumerate(file, 1):
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise BadCrystal(
                f"line {number} is not UTF-8 text: the file is binary or in another encoding, save it as UTF-8"
            ) from error
        if "\0" in line:
            raise BadCrystal(f"line {number} holds binary data: give a text file")
        yield line.replace("\r\n", "\n")


def formula_of(composition: str | Mapping[str, float]) -> str | None:
    """Reduced formula of what a file declares, or None where it cannot be read."""
    from pymatgen.core import Composition

    try:
        return str(Composition(composition).reduced_formula) or None
    except Exception:
        return None


def printable(text: str) -> str:
    """The same text without surrogates, which no file can hold: they stand for bytes outside UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def unexpected(kind: str, error: Exception) -> str:
    """Reason for a parser's error that has no more precise one."""
    lines = str(error).strip().splitlines() if isinstance(error, ValueError) else []
    said = lines[0][:120] if lines else type(error).__name__
    return f"the file does not follow the layout of {kind}: check that it is complete (the parser said: {said})"
