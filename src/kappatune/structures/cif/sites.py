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

_ONES = np.ones(3)
_NOT_GIVEN = ("?", ".", "")
_AXES = ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z")
COLUMNS = (
    "_atom_site_label",
    "_atom_site_type_symbol",
    *_AXES,
    "_atom_site_occupancy",
    "_atom_site_attached_hydrogens",
    "_atom_site_calc_flag",
)
"""Columns of the atom list that are read."""

_ION = re.compile(
    r"([A-Za-z]{1,2})(?:val?|[+-]\d?|\d(?:\.\d+)?[+-]|[+-]\d\.\d+|\((?:[IVX]+|[+-]?\d[+-]?)\))?", re.ASCII
)
"""Na, NA, Na+, Na1+, Na+1, O2-, Fe(III), and Siva of the tables of scattering factors."""

_NUMBERED = re.compile(r"([A-Za-z]{1,2})\d+", re.ASCII)
_PARTS = re.compile(r"([A-Z][a-z]?)(\d*\.?\d*)(?:\d?[+-])?[/,;&()\s]*", re.ASCII)
_LETTERS = re.compile(r"[A-Za-z]+", re.ASCII)
_GROUP_LABEL = re.compile(r"(?:H2O|OH|NH)\d*|([A-Z][a-z]?)O[2-6]", re.ASCII)
_HYDROGEN_LABEL = re.compile(r"H\d*|H\d+[A-NP-Za-z]", re.ASCII)
_TWO_ELEMENTS = re.compile(r"([A-Z][a-z])([A-Z][a-z])\d*", re.ASCII)
_DIATOMIC = ("H2", "N2", "O2", "F2", "Cl2", "Br2", "I2")
_HEAVIEST_IN_CAPITALS = 98
"""NO and CN are groups of atoms rather than nobelium and copernicium."""


@dataclass(frozen=True)
class Sites:
    """The rows of the atom list that are atoms.

    Attributes:
        rows: Their rows, counted from 0.
        labels: Of all rows.
        numbers: (m,) atomic numbers.
        frac_coords: (m, 3).
    """

    rows: list[int]
    labels: Sequence[str]
    numbers: NDArray[np.int64]
    frac_coords: NDArray[np.float64]

    def name(self, site: int) -> str:
        """How messages call a site, `site 2 ('Cl1')`."""
        return _name(self.labels, self.rows[site])


def _name(labels: Sequence[str], row: int) -> str:
    return f"site {row + 1} ('{labels[row][:20]}')"


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
    if len({len(column) for column in columns.values()}) != 1:
        raise BadCrystal("the columns of the atom list differ in length: the file is damaged, get the complete file")
    flags = [flag.lower() for flag in columns.get("_atom_site_calc_flag", ())]
    if "dum" in flags:
        raise BadCrystal(f"{_name(shown, flags.index('dum'))} is marked as a dummy, no atom: remove its row")
    if "_atom_site_attached_hydrogens" in columns:
        _require_no_hydrogens(columns["_atom_site_attached_hydrogens"], shown)
    coordinates = [cif.as_number(text) for tag in _AXES for text in columns[tag]]
    if not math.isfinite(sum(coordinates)):
        axis, row = divmod(next(k for k, value in enumerate(coordinates) if not math.isfinite(value)), len(shown))
        raise BadCrystal(
            f"{_name(shown, row)} has the {'xyz'[axis]} coordinate '{columns[_AXES[axis]][row]}', not a number: "
            "correct it"
        )
    exact = [_with_exact_thirds(value) if 0.33 < value < 0.67 else value for value in coordinates]
    frac_coords = np.ascontiguousarray(np.array(exact).reshape(3, -1).T)
    numbers = _numbers_of_types(types, shown, elements) if types is not None else _numbers_of_labels(shown, elements)
    rows = list(range(len(shown)))
    if "_atom_site_occupancy" in columns:
        rows = _occupied(columns["_atom_site_occupancy"], shown, numbers, frac_coords)
        if len(rows) < len(shown):
            numbers, frac_coords = [numbers[k] for k in rows], frac_coords[rows]
    return Sites(rows, shown, np.array(numbers, dtype=np.int64), frac_coords)


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
    images = _images(group, coords)
    apart = images - coords[:, None]
    apart -= np.rint(apart)
    vectors = apart.reshape(-1, 3) @ lattice
    near = ((vectors * vectors) @ _ONES < _SPECIAL_ANGSTROM**2).reshape(len(coords), -1)
    if np.count_nonzero(apart[near]):
        shifts = np.einsum("mo,moi->mi", near, apart) / near.sum(axis=1)[:, None]
        images = _images(group, coords + shifts)
    chosen = [_representatives(group, row.tobytes()) for row in near]
    counts = [len(kept) for kept in chosen]
    if not all(counts):
        raise BadCrystal(
            f"{sites.name(counts.index(0))} lies near a special position, but not on it: give its coordinates with "
            "more digits"
        )
    site = np.repeat(np.arange(len(chosen)), counts)
    return site, images[site, np.concatenate(chosen)] % 1.0 % 1.0


def _images(group: Group, coords: NDArray[np.float64]) -> NDArray[np.float64]:
    """(m, n, 3) images of (m, 3) fractional coordinates by n operations."""
    images: NDArray[np.float64] = coords @ group.side_by_side + group.translations.ravel()
    return images.reshape(len(coords), -1, 3)


@lru_cache(maxsize=4096)
def _representatives(group: Group, near: bytes) -> NDArray[np.int64]:
    """One operation for each image of a site that the operations marked in `near` leave in place.

    Empty if these are not a subgroup.
    """
    fixes = np.flatnonzero(np.frombuffer(near, dtype=bool))
    if len(fixes) == 1:
        return np.arange(len(group))
    products = product_table(group)
    if not np.isin(products[np.ix_(fixes, fixes)], fixes).all():
        return np.array([], dtype=np.int64)
    chosen: list[int] = []
    seen: set[int] = set()
    for operation in range(len(group)):
        if operation not in seen:
            chosen.append(operation)
            seen.update(products[operation, fixes].tolist())
    return np.array(chosen)


def _require_no_hydrogens(column: Sequence[str], labels: Sequence[str]) -> None:
    for row, text in enumerate(column):
        if text not in _NOT_GIVEN and cif.as_number(text) != 0:
            raise BadCrystal(
                f"{_name(labels, row)} carries {text} hydrogens without coordinates: add the hydrogens to the atom list"
            )


def _occupied(
    column: Sequence[str], labels: Sequence[str], numbers: list[int], frac_coords: NDArray[np.float64]
) -> list[int]:
    """Rows that are whole atoms; several ions of one element that share a site fill the row of the first."""
    rows = list(range(len(column)))
    by_text = {text: 1.0 if text in _NOT_GIVEN else cif.as_number(text) for text in set(column)}
    if all(abs(occupancy - 1) <= OCCUPANCY_TOLERANCE for occupancy in by_text.values()):
        return rows
    occupancies = [by_text[text] for text in column]
    partial = [row for row in rows if not abs(occupancies[row] - 1) <= OCCUPANCY_TOLERANCE]
    dropped = set()
    for row in partial:
        if not 0 < occupancies[row] < 1:
            raise BadCrystal(f"{_name(labels, row)} has the occupancy '{column[row]}', which must be 1: correct it")
    while partial:
        apart = frac_coords[partial] - frac_coords[partial[0]]
        here = (np.abs(apart - np.round(apart)) < _SAME_PLACE).all(axis=1)
        sharing = [row for row, same in zip(partial, here, strict=True) if same]
        first = _name(labels, sharing[0])
        if len({numbers[row] for row in sharing}) > 1:
            shares = " and ".join(f"{_name(labels, row)} {column[row]}" for row in sharing)
            raise BadCrystal(f"{first} is disordered, its place is shared by {shares}: {DISORDER_ADVICE}")
        if abs(sum(occupancies[row] for row in sharing) - 1) > OCCUPANCY_TOLERANCE * len(sharing):
            raise BadCrystal(f"{first} is disordered (occupancy {column[sharing[0]]}): {DISORDER_ADVICE}")
        dropped.update(sharing[1:])
        partial = [row for row, same in zip(partial, here, strict=True) if not same]
    return [row for row in rows if row not in dropped]


def _with_exact_thirds(coordinate: float) -> float:
    """Coordinates such as 0.3333 and 0.6667 stand for thirds; to four digits, as pymatgen takes them."""
    third = round(3 * coordinate)
    return third / 3 if abs(3 * coordinate - third) <= 1.0001e-4 * third else coordinate


def _numbers_of_types(types: Sequence[str], labels: Sequence[str], elements: Collection[int]) -> list[int]:
    """Atomic numbers of type symbols, which are whole symbols, with or without a charge; of labels where unknown."""
    numbers = []
    for row, text in enumerate(types):
        found = _element_of_type(text.strip())
        if text == "?" and labels is not types:
            found = _number_of_label(labels, row, elements)
        elif isinstance(found, str) or _may_be_group(found, text, labels[row], types, elements):
            if not found:
                atomic_number(text, row + 1)
            raise BadCrystal(f"{_name(labels, row)} is '{text[:40]}', {found if isinstance(found, str) else _GROUP}")
        numbers.append(found)
    return numbers


def _may_be_group(number: int, text: str, label: str, types: Sequence[str], elements: Collection[int]) -> bool:
    """Whether what reads as an element is rather a group: CO3 or CO beside Na, O2 as a molecule."""
    if number in elements or len(text) < 2:
        return text in _DIATOMIC and text != label
    if text[:2].isupper() and all(number_of_element(letter) for letter in text[:2]):
        return text[2:].isdecimal() or any(len(other) > 1 and other[1].islower() for other in types)
    return text in _DIATOMIC and text != label


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


@lru_cache(maxsize=4096)
def _more_than_an_atom(label: str, *, certain: bool) -> str:
    """What a label such as `SO4` or `Si/Al` is instead of an atom.

    Args:
        label: The label.
        certain: Whether a formula, or hydrogens in rows of their own, say that it is no group.
    """
    pair = _TWO_ELEMENTS.fullmatch(label)
    if any(mark in label for mark in "/,;&.") and _element_of_type(label) == _MIXED:
        return _MIXED
    if pair and all(map(number_of_element, pair.groups())):
        return _MIXED
    group = None if certain else _GROUP_LABEL.fullmatch(label)
    return _GROUP if group and (group[1] is None or number_of_element(group[1])) else ""


def _numbers_of_labels(labels: Sequence[str], elements: Collection[int]) -> list[int]:
    """Atomic numbers of labels, which start with a symbol: Na1, Cl(2), O1A."""
    return [_number_of_label(labels, row, elements) for row in range(len(labels))]


def _number_of_label(labels: Sequence[str], row: int, elements: Collection[int]) -> int:
    """Of `Na1` and `NaM2`; of `Ow`, `Ala` and `CA1` if the formula tells."""
    label = labels[row]
    certain = bool(elements) or ("H" in label and any(_HYDROGEN_LABEL.fullmatch(other) for other in labels))
    if what := _more_than_an_atom(label, certain=certain):
        raise BadCrystal(f"{_name(labels, row)} is {what}")
    found = _LETTERS.match(label)
    letters = found[0] if found else ""
    if letters.startswith("Wat"):
        raise BadCrystal(f"{_name(labels, row)} is water, {_GROUP}")
    possible = {number: None for end in (2, 1) if (number := number_of_element(letters[:end].capitalize()))}
    known = [number for number in possible if number in elements]
    if letters[1:2].islower():
        is_symbol = not letters[2:3].islower() and number_of_element(letters[:2].capitalize())
        known = known[:1] or list(possible)[:1] if known or is_symbol else []
    else:
        known = known or list(possible)
    if len(known) > 1:
        raise BadCrystal(
            f"the element of {_name(labels, row)} is not clear from its label: add the column _atom_site_type_symbol"
        )
    return known[0] if known else atomic_number(letters or label, row + 1)
