"""POSCAR and CONTCAR files of VASP 5 and later."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

from kappatune.structures.crystal import BadCrystal, Crystal, Rejection, atomic_number
from kappatune.structures.text import formula_of, unexpected, whole_text

_SYMBOLS_LINE = 5
_NO_SYMBOLS = (
    "there is no line with element symbols (VASP 4 layout): add it above the numbers of atoms, "
    "as line 6, for example 'Na Cl'"
)


def read_poscar(file: BinaryIO) -> Iterator[Crystal | Rejection]:
    """Read the crystal of a POSCAR file.

    Raises:
        BadCrystal: The file is empty, not text, or its header is damaged.
    """
    from pymatgen.io.vasp.inputs import Poscar

    text = whole_text(file)
    lines = [line.partition("#")[0].strip() for line in text.split("\n")]
    _check_cell(lines)
    symbols, counts, start = _species(lines)
    formula = None
    try:
        formula = _checked_formula(symbols, counts)
        _check_coordinates(lines, sum(counts), start)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="Elements in POSCAR cannot be determined")
            structure = Poscar.from_str(text, read_velocities=False).structure
        yield Crystal.from_pymatgen(structure)
    except BadCrystal as error:
        yield Rejection("", str(error), formula=formula)
    except Warning:
        yield Rejection("", _NO_SYMBOLS)
    except Exception as error:
        yield Rejection("", unexpected("POSCAR", error), formula=formula)


def _check_cell(lines: list[str]) -> None:
    if len(lines) <= _SYMBOLS_LINE + 1:
        raise BadCrystal(f"the file ends in line {len(lines)}, within its header: it is cut, get the complete file")
    if len(_numbers(lines[1])) != 1:
        raise BadCrystal(f"line 2 is not one scale factor ('{lines[1][:40]}'): write one number, for example 1.0")
    for index in (2, 3, 4):
        if len(_numbers(lines[index])) != 3 or len(lines[index].split()) != 3:
            raise BadCrystal(f"line {index + 1} is not a cell vector ('{lines[index][:40]}'): write three numbers")


def _species(lines: list[str]) -> tuple[list[str], list[int], int]:
    """Symbols (none in the VASP 4 layout), atoms of each, and the index of the line after them."""
    index = _SYMBOLS_LINE
    symbols: list[str] = []
    while index < len(lines) and lines[index] and not _is_count(lines[index].split()[0]):
        symbols += [token.split("/")[0].split("_")[0] for token in lines[index].split()]
        index += 1
    n_lines = max(index - _SYMBOLS_LINE, 1)
    counts = [token for line in lines[index : index + n_lines] for token in line.split()]
    if not counts or not all(map(_is_count, counts)):
        raise BadCrystal(f"line {index + 1} does not give the number of atoms of each element: write whole numbers")
    if symbols and len(symbols) != len(counts):
        raise BadCrystal(
            f"there are {len(symbols)} element symbols but {len(counts)} numbers of atoms: give one number per symbol"
        )
    return symbols, [int(count) for count in counts], index + n_lines


def _checked_formula(symbols: list[str], counts: list[int]) -> str | None:
    totals: Counter[str] = Counter()
    for symbol, count in zip(symbols, counts, strict=False):
        atomic_number(symbol, totals.total() + 1)
        totals[symbol] += count
    return formula_of(totals)


def _check_coordinates(lines: list[str], n_atoms: int, start: int) -> None:
    if n_atoms == 0:
        raise BadCrystal(f"line {start} announces no atoms: correct the numbers of atoms")
    if start < len(lines) and lines[start][:1] in ("s", "S"):
        start += 1
    if start >= len(lines) or not lines[start][:1].isalpha():
        raise BadCrystal(f"line {start + 1} does not say Direct or Cartesian: the file is cut, or the line is missing")
    rows = lines[start + 1 : start + 1 + n_atoms]
    if "" in rows:
        rows = rows[: rows.index("")]
    if len(rows) < n_atoms:
        raise BadCrystal(
            f"the header announces {n_atoms} atoms but {len(rows)} coordinate lines follow: "
            "the file is cut, get the complete file"
        )
    for site, row in enumerate(rows, 1):
        if len(_numbers(row)) < 3:
            raise BadCrystal(
                f"the line of site {site} ('{row[:60]}') does not hold three coordinates: "
                "the file is cut or damaged there, get the complete file"
            )


def _is_count(token: str) -> bool:
    return token.isascii() and token.isdecimal() and len(token) <= 12


def _numbers(line: str) -> list[float]:
    """The numbers that a line starts with, three at most."""
    numbers: list[float] = []
    for token in line.split()[:3]:
        try:
            numbers.append(float(token))
        except ValueError:
            break
    return numbers
