"""Crystals from whatever a user holds in Python: objects of other libraries, dictionaries, cell tuples, paths."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from kappatune.structures.crystal import BadCrystal, Crystal, Rejection, atomic_number, check
from kappatune.structures.json_file import crystals_of_json
from kappatune.structures.read import read_crystals

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

Input = Union["Structure", "Atoms", Crystal, Rejection, Mapping[str, Any], tuple[Any, ...], str, Path]
"""One structure as a user may hold it; a file may hold several."""

_WANTED = "give a pymatgen Structure, ASE Atoms, a Crystal or a path"


def as_entries(structures: Input | Iterable[Input]) -> Iterator[Crystal | Rejection]:
    """Crystals and rejections from whatever a user holds, checked, in order.

    Args:
        structures: One input or an iterable of inputs. Read are pymatgen `Structure`s and their dictionaries, ASE
            `Atoms`, `PhonopyAtoms`, cell tuples `(lattice, positions, numbers)` as of spglib, `Crystal`s, `Rejection`s,
            and paths of files, folders and glob patterns. Iterables are read lazily.

    Yields:
        At least one entry per input. What is not a crystal becomes a `Rejection`; nothing raises.
    """
    for index, item in enumerate([structures] if _is_single(structures) else structures, 1):  # type: ignore[arg-type]
        yield from _entries(item, str(index))


def _is_single(structures: object) -> bool:
    """Whether this is one input, even where Python could iterate over it."""
    if isinstance(structures, str | bytes | os.PathLike | Crystal | Rejection | Mapping):
        return True
    of_a_structure = ("lattice", "sites", "get_scaled_positions", "scaled_positions")  # pymatgen, ASE, phonopy
    of_something_else = ("read", "iterrows")  # an open file, a data frame
    if any(hasattr(structures, name) for name in of_a_structure + of_something_else):
        return True
    try:
        iter(structures)  # type: ignore[call-overload]
    except TypeError:
        return True
    return _is_cell_tuple(structures)


def _is_cell_tuple(item: object) -> bool:
    """Whether this is `(lattice, positions, numbers)`, perhaps with magnetic moments as a fourth part."""
    if (
        not isinstance(item, tuple | list)
        or len(item) not in (3, 4)
        or not isinstance(item[0], list | tuple | np.ndarray)
    ):
        return False
    try:
        return np.shape(item[0]) == (3, 3) and np.asarray(item[0]).dtype.kind in "if"
    except ValueError:  # rows of different lengths
        return False


def _entries(item: Any, name: str) -> Iterator[Crystal | Rejection]:
    if isinstance(item, str) and ("\n" in item or not item.strip()):
        what = "the text of a file" if item.strip() else "an empty string"
        yield Rejection(name, f"this is {what}, where a path is expected: save the text as a file and give its path")
    elif isinstance(item, str | os.PathLike):
        yield from read_crystals([os.fsdecode(item)])
    elif isinstance(item, Mapping):
        yield from _entries_of_mapping(item, name)
    else:
        yield item if isinstance(item, Rejection) else _checked(item, name)


def _entries_of_mapping(item: Mapping[str, Any], name: str) -> Iterator[Crystal | Rejection]:
    """The structures of a dictionary, of which an answer of a database holds several."""
    try:
        entries = list(crystals_of_json(dict(item)))
    except BadCrystal as error:
        entries = [Rejection("", str(error))]
    for position, entry in enumerate(entries, 1):
        yield replace(entry, id=entry.id or (name if len(entries) == 1 else f"{name}#{position}"))


def _checked(item: Any, name: str) -> Crystal | Rejection:
    if isinstance(item, Crystal):
        name = item.id or name
    try:
        return check(_converted(item, name))
    except BadCrystal as error:
        return Rejection(name, str(error))
    except Exception as error:  # objects of other libraries may raise anything
        detail = " ".join(str(error).split())[:120]
        return Rejection(name, f"{_kind(item)} cannot be read as a crystal ({detail}): {_WANTED}")


def _converted(item: Any, name: str) -> Crystal:
    """The crystal of an object, unchecked."""
    if isinstance(item, Crystal):
        return item if item.id else replace(item, id=name)
    if hasattr(item, "get_scaled_positions"):
        return Crystal.from_ase(item, id=name)
    if hasattr(item, "scaled_positions"):
        return _crystal_of_cell(item.cell, item.scaled_positions, item.numbers, name)
    if _is_cell_tuple(item):
        lattice, positions, species = item[:3]
        return _crystal_of_cell(lattice, positions, species, name)
    if hasattr(item, "lattice") and hasattr(item, "frac_coords"):
        return Crystal.from_pymatgen(item, id=name)
    if hasattr(item, "sites"):
        raise BadCrystal(f"a {type(item).__name__} has no lattice, so it is not a crystal: give a periodic Structure")
    raise BadCrystal(f"{_kind(item)} cannot be read as a crystal: {_WANTED}")


def _kind(item: object) -> str:
    """Its type with an article."""
    name = type(item).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _crystal_of_cell(lattice: Any, positions: Any, species: Any, name: str) -> Crystal:
    """A crystal from row vectors (Å), fractional positions, and atomic numbers or symbols."""
    numbers = [atomic_number(one, site) if isinstance(one, str) else int(one) for site, one in enumerate(species, 1)]
    coordinates = np.array(positions, dtype=np.float64).reshape(-1, 3)
    if len(coordinates) != len(numbers):
        raise BadCrystal(f"there are {len(coordinates)} positions but {len(numbers)} atomic numbers: give one per atom")
    return Crystal(np.array(lattice, dtype=np.float64), np.array(numbers, dtype=np.int64), coordinates, id=name)
