"""Structures in JSON: of pymatgen, saved pages of OPTIMADE providers, answers of the Materials Project."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import BinaryIO

from kappatune.structures.crystal import BadCrystal, Crystal, Rejection, checked
from kappatune.structures.optimade import crystal_of_optimade
from kappatune.structures.pymatgen_dict import EXPECTED, crystal_of_dict
from kappatune.structures.text import whole_text

_LISTS = ("data", "response", "structures", "entries")
"""Under these keys, answers of databases hold their list of structures."""

_OF_ONE = {"sites", "structure", "attributes"}
"""Keys of a single structure."""


def read_json(file: BinaryIO) -> Iterator[Crystal | Rejection]:
    """Read the structures of a JSON file, checked.

    Raises:
        BadCrystal: The file is not JSON, or holds no structure.
    """
    text = whole_text(file)
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadCrystal(f"line {error.lineno} is not JSON: the file is cut or damaged there, correct it") from error
    yield from crystals_of_json(content)


def crystals_of_json(content: object) -> Iterator[Crystal | Rejection]:
    """The checked crystals of what a JSON file holds: one structure, a list of these, or a database's answer.

    Raises:
        BadCrystal: A list is empty.
    """
    listed = content
    if isinstance(content, dict) and not content.keys() & _OF_ONE:
        listed = next((content[key] for key in _LISTS if isinstance(content.get(key), list | dict)), content)
    entries = listed if isinstance(listed, list) else [listed]
    if not entries:
        raise BadCrystal(f"the list is empty: give {EXPECTED}")
    for entry in entries:
        if isinstance(entry, dict) and isinstance(entry.get("attributes"), dict):
            yield crystal_of_optimade(entry)
        else:
            crystal = crystal_of_dict(entry)
            yield checked(crystal) if isinstance(crystal, Crystal) else crystal
