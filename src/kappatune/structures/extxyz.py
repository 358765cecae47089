"""Frames of extxyz files, one at a time."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from kappatune.structures.crystal import BadCrystal, Crystal, Rejection, atomic_number, checked
from kappatune.structures.text import formula_of, text_lines, unexpected

_ID_KEYS = ("id", "material_id", "name")
_CELL_KEYS = ("Lattice", "pbc", "Properties")
_TYPES = ("R", "I", "S", "L")
_DEFAULT_PROPERTIES = "species:S:1:pos:R:3"
_ATOM_COUNT = re.compile(r"[0-9]{1,12}")
_PAIR = re.compile(
    r"(?<![\w-])([A-Za-z_][\w-]*)\s*=\s*"
    r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\{[^}]*\}|\[[^\]]*\]|[^\s"'{\[]\S*)"""
)


def frame_texts(path: Path) -> Iterator[bytes]:
    """Cut an extxyz file into the bytes of its frames, unread.

    What follows a line that should announce a frame and does not is given as one last piece, for
    `read_extxyz` to say what is wrong with it.
    """
    with path.open("rb") as file:
        for header in file:
            if not header.strip():
                continue
            if not _ATOM_COUNT.fullmatch(header.strip().decode("ascii", "replace")):
                yield header
                return
            yield b"".join([header, *islice(file, int(header) + 1)])


def read_extxyz(file: BinaryIO, first_frame: int = 1) -> Iterator[Crystal | Rejection]:
    """Read the frames of an extxyz file, checked.

    Args:
        file: Opened for reading bytes.
        first_frame: Number by which the first frame goes in reasons.

    Raises:
        BadCrystal: The file is empty or damaged, and cannot be read further.
    """
    lines = text_lines(file)
    frame = first_frame - 1
    while header := next((line.strip() for line in lines if line.strip()), None):
        frame += 1
        if not _ATOM_COUNT.fullmatch(header):
            raise BadCrystal(
                f"frame {frame} does not start with a number of atoms ('{header[:40]}'): "
                "correct the file there, reading stops at this frame"
            )
        comment = next(lines, "")
        rows = list(islice(lines, int(header)))
        name = _name(comment)
        if len(rows) < int(header):
            yield Rejection(
                name,
                f"frame {frame} announces {header} atoms but the file ends after {len(rows)}: "
                "the file is cut, get the complete file",
            )
            return
        yield _crystal(frame, comment, rows, name)
    if frame < first_frame:
        raise BadCrystal("the file is empty: get the complete file")


def _crystal(frame: int, comment: str, rows: list[str], name: str) -> Crystal | Rejection:
    import ase.io

    info = _info(comment)
    symbols: list[str] = []
    try:
        _check_rows(rows, info.get("Properties", _DEFAULT_PROPERTIES), symbols)
        cell = " ".join(f'{key}="{info[key]}"' for key in _CELL_KEYS if key in info)
        _check_lattice(info)
        text = StringIO(f"{len(rows)}\n{cell}\n{''.join(rows)}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what ASE warns of is checked above
            atoms = ase.io.read(text, format="extxyz", index=0)
        return checked(Crystal.from_ase(atoms, id=name))
    except BadCrystal as error:
        reason = f"frame {frame}: {error}"
    except Exception as error:
        reason = f"frame {frame}: {unexpected('extxyz', error)}"
    return Rejection(name, reason, formula=formula_of(Counter(symbols)) if len(symbols) == len(rows) else None)


def _check_rows(rows: list[str], properties: str, symbols: list[str]) -> None:
    """Refuse a row that lacks a value or holds a wrong one; collect the symbols of the others."""
    columns, n_columns = _columns(properties)
    species, position = columns.get("species"), columns.get("pos")
    for site, row in enumerate(rows, 1):
        values = row.split()
        if len(values) < n_columns:
            raise BadCrystal(
                f"the line of site {site} has {len(values)} values where {n_columns} are expected: "
                "the file is cut or damaged there, get the complete file"
            )
        if species is not None:
            symbol = values[species].capitalize()
            atomic_number(symbol, site)
            symbols.append(symbol)
        for value in values[position : position + 3] if position is not None else ():
            if not _is_number(value):
                raise BadCrystal(f"site {site} has the coordinate '{value}', which is not a number: correct it")


def _columns(properties: str) -> tuple[dict[str, int], int]:
    """First column of each property, and the number of columns."""
    fields = properties.split(":")
    types_and_widths = zip(fields[1::3], fields[2::3], strict=False)
    if len(fields) % 3 or not all(kind in _TYPES and width.isdecimal() for kind, width in types_and_widths):
        raise BadCrystal(
            f"Properties='{properties[:80]}' is not a list of name:type:columns (types R, I, S, L): correct it"
        )
    starts, total = {}, 0
    for name, width in zip(fields[::3], fields[2::3], strict=True):
        starts[name] = total
        total += int(width)
    return starts, total


def _check_lattice(info: dict[str, str]) -> None:
    if "Lattice" in info:
        entries = info["Lattice"].replace(",", " ").split()
        if len(entries) != 9 or not all(map(_is_number, entries)):
            raise BadCrystal(f'Lattice="{info["Lattice"][:80]}" is not nine numbers: give the three cell vectors, Å')


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _info(comment: str) -> dict[str, str]:
    return {
        key: re.sub(r"\\(.)", r"\1", value[1:-1]) if value[0] in "\"'{[" else value
        for key, value in _PAIR.findall(comment)
    }


def _name(comment: str) -> str:
    info = _info(comment)
    return next((info[key] for key in _ID_KEYS if info.get(key)), "")
