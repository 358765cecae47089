"""The atom list of a CIF: elements, occupancies and coordinates of its rows, and their images by symmetry."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from gemmi import cif
from numpy.typing import NDArray

from kappatune.structures.cif.space_groups import Group, product_table
from kappatune.structures.crystal import OCCUPANCY_TOLERANCE, BadCrystal, atomic_number, number_of_element
from kappatune.structures.text import DISORDER_ADVICE

_SAME_PLACE = 1e-4
"""Fractional coordinates closer than this are one position where rows share it."""

_SPECIAL_ANGSTROM = 0.1
"""Images of one row closer than this are one atom on a special position, written with few digits."""

_NOT_GIVEN = ("?", ".", "")
_AXES = ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z")
COLUMNS = (
    "_atom_site_label",
    "_atom_site_type_symbol",
    *_AXES,
    "_atom_site_occupancy",
    "_atom_site_attached_hydrogens",
)
"""Columns of the atom list that are read."""

_ION = re.compile(
    r"([A-Za-z]{1,2})(?:val?|[+-]\d?|\d(?:\.\d+)?[+-]|[+-]\d\.\d+|\((?:[IVX]+|[+-]?\d[+-]?)\))?", re.ASCII
)
"""Na, NA, Na+, Na1+, Na+1, O2-, Fe(III), and Siva of the tables of scattering factors."""

_NUMBERED = re.compile(r"([A-Za-z]{1,2})\d+", re.ASCII)
_PARTS = re.compile(r"([A-Z][a-z]?)(\d*\.?\d*)(?:\d?[+-])?[/,;&()\s]*", re.ASCII)
_LETTERS = re.compile(r"[A-Za-z]+", re.ASCII)
_DIATOMIC = ("H2", "N2", "O2", "F2", "Cl2", "Br2", "I2")
_HEAVIEST_IN_CAPITALS = 98
"""NO and CN are groups of atoms rather than nobelium and copernicium."""


@dataclass(frozen=True)
class Sites:
    """The rows of the atom list that are atoms.

    Attributes:
        names: How messages call them, `site 2 ('Cl1')`.
        numbers: (m,) atomic numbers.
        frac_coords: (m, 3).
    """

    names: list[str]
    numbers: NDArray[np.int64]
    frac_coords: NDArray[np.float64]


def read_sites(columns: Mapping[str, Sequence[str]], elements: Collection[int] = ()) -> Sites:
    """Read the rows of an atom list.

    Args:
        columns: Columns of `_atom_site_...` by name, unquoted.
        elements: Atomic numbers in the formula, where one is given: they tell what a label such as CA1 is.

    Raises:
        BadCrystal: A column is missing; a row is disordered, no element, or has no coordinates.
    """
    labels, types = columns.get("_atom_site_label"), columns.get("_atom_site_type_symbol")
    for tag in (*(("_atom_site_label",) if labels is None and types is None else ()), *_AXES):
        if tag not in columns:
            raise BadCrystal(f"the atom list has no column {tag}: the file is cut, or add the column")
    shown = labels if labels is not None else types
    assert shown is not None
    if not shown:
        raise BadCrystal("a loop_ table lacks rows: the file is cut, get the complete file")
    names = [f"site {row} ('{label[:20]}')" for row, label in enumerate(shown, 1)]
    if len({len(column) for column in columns.values()}) != 1:
        raise BadCrystal("the columns of the atom list differ in length: the file is damaged, get the complete file")
    _require_no_hydrogens(columns.get("_atom_site_attached_hydrogens", ()), names)
    frac_coords = np.empty((len(names), 3))
    for axis, tag in enumerate(_AXES):
        frac_coords[:, axis] = values = [cif.as_number(text) for text in columns[tag]]
        if not math.isfinite(sum(values)):
            row = next(k for k, value in enumerate(values) if not math.isfinite(value))
            raise BadCrystal(
                f"{names[row]} has the {'xyz'[axis]} coordinate '{columns[tag][row]}', not a number: correct it"
            )
    if types is not None:
        numbers = _numbers_of_types(types, shown, names, elements)
    else:
        numbers = _numbers_of_labels(shown, names, elements)
    kept = _occupied(columns.get("_atom_site_occupancy"), names, numbers, frac_coords)
    if len(kept) < len(names):
        names, numbers, frac_coords = [names[k] for k in kept], [numbers[k] for k in kept], frac_coords[kept]
    return Sites(names, np.array(numbers, dtype=np.int64), _with_exact_thirds(frac_coords))


def expanded(sites: Sites, group: Group, lattice: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """All atoms of the cell.

    Args:
        sites: The listed ones.
        group: Its operations repeat them. A site within `_SPECIAL_ANGSTROM` of its image is moved onto the special
            position between them.
        lattice: (3, 3) row vectors, Å.

    Returns:
        Index of its site (n_atoms,) and fractional coordinates in [0, 1) (n_atoms, 3), images of one site together.

    Raises:
        BadCrystal: A site is too far from a special position to lie on it, and too near to be apart.
    """
    if len(group) == 1:
        return np.arange(len(sites.numbers)), sites.frac_coords % 1.0 % 1.0
    coords = sites.frac_coords
    apart = _images(group, coords) - coords[:, None]
    apart -= np.rint(apart)
    near = ((apart @ lattice) ** 2).sum(axis=2) < _SPECIAL_ANGSTROM**2
    coords = coords + np.einsum("mo,moi->mi", near, apart) / near.sum(axis=1)[:, None]
    images = _images(group, coords)
    chosen = [_representatives(group, row.tobytes()) for row in near]
    for name, kept in zip(sites.names, chosen, strict=True):
        if not kept:
            raise BadCrystal(
                f"{name} lies near a special position, but not on it: give its coordinates with more digits"
            )
    site = np.repeat(np.arange(len(chosen)), [len(kept) for kept in chosen])
    return site, images[site, [k for kept in chosen for k in kept]] % 1.0 % 1.0


def _images(group: Group, coords: NDArray[np.float64]) -> NDArray[np.float64]:
    """(m, n, 3) images of (m, 3) fractional coordinates by n operations."""
    turned: NDArray[np.float64] = (coords @ group.rotations.transpose(0, 2, 1)).transpose(1, 0, 2)
    return turned + group.translations


@lru_cache(maxsize=4096)
def _representatives(group: Group, near: bytes) -> tuple[int, ...]:
    """One operation for each image of a site that the operations marked in `near` leave in place.

    Empty if these are not a subgroup.
    """
    fixes = np.flatnonzero(np.frombuffer(near, dtype=bool))
    if len(fixes) == 1:
        return tuple(range(len(group)))
    products = product_table(group)
    if not np.isin(products[np.ix_(fixes, fixes)], fixes).all():
        return ()
    chosen: list[int] = []
    seen: set[int] = set()
    for operation in range(len(group)):
        if operation not in seen:
            chosen.append(operation)
            seen.update(products[operation, fixes].tolist())
    return tuple(chosen)


def _require_no_hydrogens(column: Sequence[str], names: list[str]) -> None:
    for name, text in zip(names, column, strict=False):
        if text not in _NOT_GIVEN and cif.as_number(text) != 0:
            raise BadCrystal(f"{name} carries {text} hydrogens without coordinates: add the hydrogens to the atom list")


def _occupied(
    column: Sequence[str] | None, names: list[str], numbers: list[int], frac_coords: NDArray[np.float64]
) -> list[int]:
    """Rows that are whole atoms; several ions of one element that share a site fill the row of the first."""
    rows = list(range(len(names)))
    if column is None:
        return rows
    occupancies = [1.0 if text in _NOT_GIVEN else cif.as_number(text) for text in column]
    partial = [row for row in rows if not abs(occupancies[row] - 1) <= OCCUPANCY_TOLERANCE]
    dropped = set()
    for row in partial:
        if not 0 < occupancies[row] < 1:
            raise BadCrystal(f"{names[row]} has the occupancy '{column[row]}', which must be 1: correct it")
    while partial:
        apart = frac_coords[partial] - frac_coords[partial[0]]
        here = (np.abs(apart - np.round(apart)) < _SAME_PLACE).all(axis=1)
        sharing = [row for row, same in zip(partial, here, strict=True) if same]
        if len({numbers[row] for row in sharing}) > 1:
            shares = " and ".join(f"{names[row]} {column[row]}" for row in sharing)
            raise BadCrystal(f"{names[sharing[0]]} is disordered, its place is shared by {shares}: {DISORDER_ADVICE}")
        if abs(sum(occupancies[row] for row in sharing) - 1) > OCCUPANCY_TOLERANCE * len(sharing):
            raise BadCrystal(f"{names[sharing[0]]} is disordered (occupancy {column[sharing[0]]}): {DISORDER_ADVICE}")
        dropped.update(sharing[1:])
        partial = [row for row, same in zip(partial, here, strict=True) if not same]
    return [row for row in rows if row not in dropped]


def _with_exact_thirds(frac_coords: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coordinates such as 0.3333 and 0.6667 stand for thirds; to four digits, as pymatgen takes them."""
    thirds = 3 * frac_coords
    nearest = np.rint(thirds)
    near = (np.abs(thirds - nearest) <= 1.0001e-4 * nearest) & (nearest > 0) & (nearest < 3)
    return np.where(near, nearest / 3, frac_coords) if near.any() else frac_coords


def _numbers_of_types(
    types: Sequence[str], shown: Sequence[str], names: list[str], elements: Collection[int]
) -> list[int]:
    """Atomic numbers of type symbols, which are whole symbols, with or without a charge."""
    has_small_letters = any(len(text) > 1 and text[1].islower() for text in types)
    numbers = []
    for row, text in enumerate(types):
        found = _element_of_type(text)
        if isinstance(found, int) and _may_be_group(text, text == shown[row], has_small_letters, found in elements):
            found = _GROUP
        if isinstance(found, str):
            if not found:
                atomic_number(text, row + 1)
            raise BadCrystal(f"{names[row]} is '{text[:40]}', {found}")
        numbers.append(found)
    return numbers


def _may_be_group(text: str, is_label: bool, has_small_letters: bool, in_formula: bool) -> bool:
    """Whether what reads as an element is rather a group: CO3 or CO beside Na, O2 as a molecule."""
    if len(text) < 2 or in_formula:
        return text in _DIATOMIC and not is_label
    if text[:2].isupper() and all(number_of_element(letter) for letter in text[:2]):
        return has_small_letters or text[2:].isdecimal()
    return text in _DIATOMIC and not is_label


_GROUP = "a group of atoms and no single one: give each atom a row of its own"
_MIXED = f"a site shared by several elements: {DISORDER_ADVICE}"


@lru_cache(maxsize=4096)
def _element_of_type(text: str) -> int | str:
    """Atomic number of a type symbol, or what else it is; an empty text if nothing that is known."""
    if found := _ION.fullmatch(text) or _NUMBERED.fullmatch(text):
        number = number_of_element(found[1].capitalize())
        in_capitals = len(found[1]) == 2 and found[1].isupper()
        if number and not (in_capitals and number > _HEAVIEST_IN_CAPITALS):
            return number
    parts, end = [], 0
    while end < len(text) and (part := _PARTS.match(text, end)):
        parts.append(part)
        end = part.end()
    if end < len(text) or len(parts) < 2 or not all(number_of_element(part[1]) for part in parts):
        return ""
    shared = any(mark in text for mark in "./,;&") or any(mark in text[:-1] for mark in "+-")
    return _MIXED if shared else _GROUP


def _numbers_of_labels(labels: Sequence[str], names: list[str], elements: Collection[int]) -> list[int]:
    """Atomic numbers of labels, which start with a symbol: Na1, Cl(2), O1A."""
    return [_number_of_label(label, row, names[row - 1], elements) for row, label in enumerate(labels, 1)]


def _number_of_label(label: str, row: int, name: str, elements: Collection[int]) -> int:
    found = _LETTERS.match(label)
    letters = found[0] if found else ""
    if not letters.isupper():
        return atomic_number(letters.capitalize() if len(letters) <= 2 else label, row)
    possible = {number for text in (letters[:2], letters[:1]) if (number := number_of_element(text.capitalize()))}
    if len(possible) > 1 and elements:
        possible &= set(elements)
    if len(possible) > 1:
        raise BadCrystal(f"the element of {name} is not clear from its label: add the column _atom_site_type_symbol")
    return possible.pop() if possible else atomic_number(letters or label, row)
