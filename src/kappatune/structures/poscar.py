"""POSCAR and CONTCAR files, as VASP, ASE and phonopy read them.

Layout: https://www.vasp.at/wiki/POSCAR. Symbols stand in line 6 (VASP 5 and later), or, in the layout of VASP 4, in
line 1 or beside the coordinates.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from kappatune.structures.crystal import BadCrystal, Crystal, Rejection, atomic_number, checked, number_of_element
from kappatune.structures.text import formula_of, unexpected, whole_text

_SYMBOLS_LINE = 5
_HEADER_LINES = 100
_MODE_LINES = 2
_NO_SYMBOLS = (
    "there is no line with element symbols (VASP 4 layout), and line 1 names none: add it above the numbers of atoms, "
    "as line 6, for example 'Na Cl'"
)
_COMMENT = re.compile(r"[#!].*")
_CONFIGURATION = re.compile(r"\s*(direct|cartesian)\s+configuration\s*=", re.IGNORECASE)
"""Begins each step in an XDATCAR."""

_FLAGS = ("T", "F", "TRUE", "FALSE")
_FORTRAN_EXPONENT = re.compile(r"(?<=[\d.])[dD](?=[+-]?\d)")


@dataclass(frozen=True)
class _Header:
    """What stands above the coordinates.

    Attributes:
        scale: (3,) factors of the Cartesian axes; a single negative one is minus the volume, Å^3.
        vectors: (3, 3) rows, unscaled.
        symbols: One per kind of atom; empty in the layout of VASP 4.
        counts: Atoms of each kind.
        end: Index of the line after the counts.
    """

    scale: list[float]
    vectors: NDArray[np.float64]
    symbols: list[str]
    counts: list[int]
    end: int


def read_poscar(file: BinaryIO) -> Iterator[Crystal | Rejection]:
    """Read the crystal of a POSCAR file, or the crystals of several that stand in one file, checked.

    Raises:
        BadCrystal: The file is empty, not text, or its header is damaged.
    """
    lines = whole_text(file).split("\n")
    start = 0
    while True:
        header = _header([_bare(line) for line in lines[start : start + _HEADER_LINES]], start)
        last = start + header.end + _MODE_LINES + sum(header.counts)
        entry, end = _crystal(lines[start:last], header, start)
        yield entry
        if isinstance(entry, Rejection):
            return
        end += start
        while (step := _filled_line(lines, end)) is not None and _CONFIGURATION.match(lines[step]):
            end = step + 1 + sum(header.counts)
            yield _crystal([*lines[start : start + header.end], *lines[step:end]], header, start)[0]
        following = _next_poscar(lines, end)
        if following is None:
            return
        start = following


def begins_poscar(lines: list[str]) -> bool:
    """Whether lines look like the beginning of a POSCAR: a comment, one or three scale factors, three vectors."""
    return (
        len(lines) > _SYMBOLS_LINE - 1
        and len(_numbers(lines[1], 4)) in (1, 3)
        and all(len(_numbers(line, 4)) == 3 for line in lines[2:_SYMBOLS_LINE])
    )


def _filled_line(lines: list[str], start: int) -> int | None:
    return next((k for k in range(start, len(lines)) if lines[k].strip()), None)


def _next_poscar(lines: list[str], start: int) -> int | None:
    """Where another POSCAR begins: at once, or, with a line of symbols, after velocities and what else VASP appends."""
    following = _filled_line(lines, start)
    if following is None or _begins_another(lines[following : following + _SYMBOLS_LINE + 1], or_counts=True):
        return following
    return next((k for k in range(following, len(lines)) if _begins_another(lines[k : k + _SYMBOLS_LINE + 1])), None)


def _begins_another(lines: list[str], *, or_counts: bool = False) -> bool:
    words = _bare(lines[_SYMBOLS_LINE]).split() if len(lines) > _SYMBOLS_LINE else []
    named = all(number_of_element(_plain_symbol(word)) for word in words) or (or_counts and all(map(_is_count, words)))
    return bool(words) and named and begins_poscar(lines)


def _crystal(lines: list[str], header: _Header, offset: int) -> tuple[Crystal | Rejection, int]:
    """The crystal, and the index of the line after its coordinates."""
    formula = None
    n_atoms = sum(header.counts)
    end = len(lines)
    try:
        formula = _formula(header.symbols, header.counts)
        mode = _mode_line(lines, header, offset)
        end = mode + 1 + n_atoms
        rows = _rows(lines[mode + 1 : end], n_atoms)
        symbols = header.symbols or _symbols_elsewhere(lines, rows, header.counts)
        formula = formula or _formula(symbols, header.counts)
        positions = np.array([_numbers(row, 3) for row in rows])
        scale = _scale(header)
        lattice = header.vectors * scale
        if _bare(lines[mode])[:1] in "cCkK":
            _require_volume(lattice)
            positions = np.linalg.solve(lattice.T, (positions * scale).T).T
        kinds = [atomic_number(symbol, 1) for symbol in symbols]
        return checked(Crystal(lattice, np.repeat(kinds, header.counts), positions)), end
    except BadCrystal as error:
        return Rejection("", str(error), formula=formula), end
    except Exception as error:
        return Rejection("", unexpected("POSCAR", error), formula=formula), end


def _header(lines: list[str], offset: int) -> _Header:
    if len(lines) <= _SYMBOLS_LINE + 1:
        n_lines = offset + len(lines)
        raise BadCrystal(f"the file ends in line {n_lines}, within its header: it is cut, get the complete file")
    scale = _numbers(lines[1], 4)
    if len(scale) not in (1, 3) or (len(scale) == 3 and min(scale) <= 0) or scale[0] == 0:
        raise BadCrystal(
            f"line {offset + 2} is not one scale factor, or three positive ones ('{lines[1][:40]}'): "
            "write one number, for example 1.0"
        )
    for index in (2, 3, 4):
        if len(_numbers(lines[index], 4)) != 3:
            raise BadCrystal(
                f"line {offset + index + 1} is not a cell vector ('{lines[index][:40]}'): write three numbers"
            )
    symbols, counts, end = _species(lines, offset)
    return _Header(scale, np.array([_numbers(line, 3) for line in lines[2:5]]), symbols, counts, end)


def _species(lines: list[str], offset: int) -> tuple[list[str], list[int], int]:
    """Symbols (none in the VASP 4 layout), atoms of each, and the index of the line after them."""
    index = _SYMBOLS_LINE
    symbols: list[str] = []
    while index < len(lines) and lines[index] and not _is_count(lines[index].split()[0]):
        symbols += [_plain_symbol(token) for token in lines[index].split()]
        index += 1
    n_lines = max(index - _SYMBOLS_LINE, 1)
    counts = [token for line in lines[index : index + n_lines] for token in line.split()]
    if not counts or not all(map(_is_count, counts)):
        raise BadCrystal(
            f"line {offset + index + 1} does not give the number of atoms of each element: write whole numbers"
        )
    if symbols and len(symbols) != len(counts):
        raise BadCrystal(
            f"there are {len(symbols)} element symbols but {len(counts)} numbers of atoms: give one number per symbol"
        )
    return symbols, [int(count) for count in counts], index + n_lines


def _symbols_elsewhere(lines: list[str], rows: list[str], counts: list[int]) -> list[str]:
    """Symbols of the VASP 4 layout: from line 1, as VASP's tools, ASE and phonopy take them, or from the rows."""
    words = _bare(lines[0]).split()
    in_first_line = [_plain_symbol(word) for word in words]
    if len(words) != len(counts) or not all(map(number_of_element, in_first_line)):
        in_first_line = []
    beside: list[str] = []
    first = 0
    for count in counts:
        named = {_word_beside(row) for row in rows[first : first + count]}
        first += count
        if len(named) == 1 and number_of_element(name := named.pop()):
            beside.append(name)
    beside = beside if len(beside) == len(counts) else []
    if in_first_line and beside and in_first_line != beside:
        raise BadCrystal(
            f"line 1 names {' '.join(in_first_line)}, the coordinates {' '.join(beside)}: add the symbols as line 6"
        )
    if not in_first_line and not beside:
        raise BadCrystal(_NO_SYMBOLS)
    return in_first_line or beside


def _word_beside(row: str) -> str:
    """The last word after the coordinates, and after the flags of selective dynamics: `F F F` is no fluorine."""
    words = row.split()[3:]
    flags = 3 if len(words) >= 3 and all(word.strip(".").upper() in _FLAGS for word in words[:3]) else 0
    return " ".join(words[flags:][-1:])


def _formula(symbols: list[str], counts: list[int]) -> str | None:
    totals: Counter[str] = Counter()
    for symbol, count in zip(symbols, counts, strict=False):
        atomic_number(symbol, totals.total() + 1)
        totals[symbol] += count
    return formula_of(totals) if totals else None


def _mode_line(lines: list[str], header: _Header, offset: int) -> int:
    """Index of the line that says Direct or Cartesian."""
    start = header.end
    if sum(header.counts) == 0:
        raise BadCrystal(f"line {offset + start} announces no atoms: correct the numbers of atoms")
    if start < len(lines) and _bare(lines[start])[:1] in ("s", "S"):
        start += 1
    if start >= len(lines) or not _bare(lines[start])[:1].isalpha():
        raise BadCrystal(
            f"line {offset + start + 1} does not say Direct or Cartesian: the file is cut, or the line is missing"
        )
    return start


def _rows(lines: list[str], n_atoms: int) -> list[str]:
    rows = [_bare(line) for line in lines]
    if "" in rows:
        rows = rows[: rows.index("")]
    if len(rows) < n_atoms:
        raise BadCrystal(
            f"the header announces {n_atoms} atoms but {len(rows)} coordinate lines follow: "
            "the file is cut, get the complete file"
        )
    for site, row in enumerate(rows, 1):
        if len(_numbers(row, 3)) < 3:
            raise BadCrystal(
                f"the line of site {site} ('{row[:60]}') does not hold three coordinates: "
                "the file is cut or damaged there, get the complete file"
            )
    return rows


def _scale(header: _Header) -> NDArray[np.float64]:
    """(3,) factors of the Cartesian axes."""
    if header.scale[0] > 0:
        return np.broadcast_to(np.array(header.scale), (3,))
    volume = abs(np.linalg.det(header.vectors))
    if not volume > 0:
        raise BadCrystal("the cell vectors have no volume, which the negative scale factor sets: correct them")
    return np.full(3, np.cbrt(-header.scale[0] / volume))


def _require_volume(lattice: NDArray[np.float64]) -> None:
    volume = abs(np.linalg.det(lattice))
    if not 0 < volume < np.inf:
        raise BadCrystal(f"the cell has {volume:.3g} Å^3 per atom: correct the lattice vectors")


def _plain_symbol(token: str) -> str:
    """The element of `Na_pv/f474ac0d`."""
    return token.partition("/")[0].partition("_")[0]


def _bare(line: str) -> str:
    return _COMMENT.sub("", line).strip()


def _is_count(token: str) -> bool:
    return token.isascii() and token.isdecimal() and len(token) <= 12


def _numbers(line: str, most: int) -> list[float]:
    """The numbers that a line starts with, up to so many; exponents may be Fortran's, 1.0D+00."""
    numbers: list[float] = []
    for token in _FORTRAN_EXPONENT.sub("e", _bare(line)).split()[:most]:
        try:
            numbers.append(float(token))
        except ValueError:
            break
    return numbers
