"""Structures in JSON files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import BinaryIO

from kappatune.structures.crystal import BadCrystal, Crystal, Rejection
from kappatune.structures.pymatgen_dict import EXPECTED, crystal_of_dict
from kappatune.structures.text import whole_text


def read_json(file: BinaryIO) -> Iterator[Crystal | Rejection]:
    """Read one `Structure.as_dict()`, or a list of these.

    Raises:
        BadCrystal: The file is no JSON, or holds neither.
    """
    text = whole_text(file)
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadCrystal(f"line {error.lineno} is not JSON: the file is cut or damaged there, correct it") from error
    entries = content if isinstance(content, list) else [content]
    if not entries:
        raise BadCrystal(f"the list is empty: give {EXPECTED}")
    for entry in entries:
        yield crystal_of_dict(entry)
