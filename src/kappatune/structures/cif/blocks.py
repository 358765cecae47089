"""Data blocks of a CIF, and their values by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import cast

from gemmi import cif

from kappatune.structures.crystal import BadCrystal

_HEADER = re.compile(r"\s*data_", re.IGNORECASE)
_CELL_OR_ATOMS = re.compile(r"^\s*_(cell[_.]length_|atom_site[_.](?!aniso))", re.IGNORECASE | re.MULTILINE)
_UNQUOTED = re.compile(r"(\s*_[^\s#]+\s+)([^\s'\"#;_][^#'\"]*\s[^#'\"\s][^#'\"]*?)\s*(#.*)?")
_UNCLOSED = re.compile(r"(\s*_[^\s#]+\s+)(['\"])([^'\"]*)")
_OF_A_STRUCTURE = ("_cell_length_", "_atom_site_")
_USED = (*_OF_A_STRUCTURE, "_cell_", "_symmetry_", "_space_group_", "_chemical_formula_sum")
_OF_A_MODULATION = ("_cell_wave_vector", "_space_group_ssg", "_space_group_symop_ssg")
_QUOTES = "'\";"
_NOT_GIVEN = ("?", ".", "")


class Values:
    """The values of a data block by name; `_Cell.Length_A` goes by `_cell_length_a`."""

    def __init__(self, block: cif.Block) -> None:
        self._found: dict[str, str | tuple[cif.Loop, int]] = {}
        self._repeated: set[str] = set()
        self._copied: tuple[cif.Loop | None, list[str]] = (None, [])
        for item in block:
            if pair := item.pair:
                tag, value = cast("tuple[str, str]", pair)
                if name := _plain_name(tag):
                    self._add(name, value)
            elif loop := item.loop:
                for index, tag in enumerate(loop.tags):
                    if name := _plain_name(tag):
                        self._add(name, (loop, index))
        self._kinds = _kinds_of(tuple(self._found))

    def _add(self, name: str, value: str | tuple[cif.Loop, int]) -> None:
        before = self._found.get(name)
        if before is not None and not _is_empty(before):
            if _is_empty(value):
                return
            if isinstance(value, tuple) or before != value:
                self._repeated.add(name)
        self._found[name] = value

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def __iter__(self) -> Iterator[str]:
        """Their names."""
        return iter(self._found)

    @property
    def holds_structure(self) -> bool:
        """Whether there is a cell or an atom."""
        return self._kinds[0]

    @property
    def is_modulated(self) -> bool:
        """Whether a modulation is described."""
        return self._kinds[1] or self.text("_cell_modulation_dimension") not in (None, "0")

    def text(self, name: str) -> str | None:
        """The one value of a name, None if it is missing or is `?` or `.`.

        Raises:
            BadCrystal: There are several.
        """
        found = self._found.get(name)
        if found is None:
            return None
        if isinstance(found, str) and name not in self._repeated:
            value = _unquoted(found)
            return value if value not in _NOT_GIVEN else None
        values = self.column(name)
        if len(set(values)) > 1:
            raise BadCrystal(f"{name} has {len(values)} values: give one crystal per data block")
        return values[0] if values and values[0] not in _NOT_GIVEN else None

    def first_text(self, names: Iterable[str]) -> str:
        """The value of the first of some names that has one, or an empty text.

        Raises:
            BadCrystal: One before it has several.
        """
        for name in names:
            if name in self._found and (text := self.text(name)):
                return text
        return ""

    def column(self, name: str) -> list[str]:
        """All values of a name, without quotes; none if it is missing.

        Raises:
            BadCrystal: The name stands in the block twice.
        """
        return [_unquoted(raw) for raw in self._raw_column(name)]

    def given(self, names: Iterable[str]) -> tuple[str, ...]:
        """All values of the first of some names that is there, except `?` and `.`; remembered from file to file.

        Raises:
            BadCrystal: The name stands in the block twice.
        """
        for name in names:
            if name in self._found:
                return _given(tuple(self._raw_column(name)))
        return ()

    def _raw_column(self, name: str) -> list[str]:
        if name in self._repeated:
            raise BadCrystal(f"{name} stands in the data block twice, with different values: keep the right one")
        found = self._found.get(name)
        if found is None:
            return []
        if isinstance(found, str):
            return [found]
        loop, index = found
        return self._values(loop)[index :: loop.width()]

    def _values(self, loop: cif.Loop) -> list[str]:
        """All values of a loop, row by row; copied from gemmi once."""
        if loop is not self._copied[0]:
            self._copied = (loop, loop.values)
        return self._copied[1]


def blocks_of(text: str) -> Iterator[Values | BadCrystal]:
    """The data blocks that hold a cell or atoms, or why one of them cannot be read.

    Raises:
        BadCrystal: The text holds none.
    """
    try:
        document = cif.Document()
        document.parse_string(text)
        blocks: list[Values | BadCrystal] = [Values(block) for block in document]
    except ValueError:
        texts = _split(text)
        if not texts:
            raise BadCrystal("there is no data_ line: the file is no CIF, or its beginning is missing") from None
        blocks = [_parsed_alone(first, lines) for first, lines in texts if _CELL_OR_ATOMS.search("\n".join(lines))]
    found = [block for block in blocks if isinstance(block, BadCrystal) or block.holds_structure]
    if not found:
        what = "no data block has a cell or atom sites: the file is cut, or holds no structure"
        raise BadCrystal(what if blocks or _HEADER.search(text) else "there is no data_ line: the file is no CIF")
    yield from found


def _parsed_alone(first: int, lines: list[str]) -> Values | BadCrystal:
    """One block of a document that cannot be read as a whole; unambiguous common errors are repaired."""
    fault = ""
    for text in ("\n".join(lines), "\n".join(_repaired(lines))):
        document = cif.Document()
        try:
            document.parse_string(text)
            return Values(document[0])
        except ValueError as error:
            fault = fault or str(error)
    if "loop" in fault:
        return BadCrystal(
            "a loop_ table lacks rows, or has a row with too few or too many values: "
            "the file is cut or damaged, get the complete file"
        )
    place = re.match(r"string:(\d+)", fault)
    number = int(place[1]) if place else 1
    shown = lines[min(number, len(lines)) - 1].strip()[:40]
    what = "a text that does not end" if "unterminated" in fault else "not CIF (a value with spaces needs quotes)"
    return BadCrystal(
        f"line {first + number} ('{shown}') is {what}: the file is cut or damaged there, correct it or get "
        "the complete file"
    )


def _repaired(lines: list[str]) -> Iterator[str]:
    """The same lines with quotes around values with spaces, and without letters that CIF forbids.

    A quote that does not end ends with its line; a name of a block ends at its first space.
    """
    in_text = False
    for line in lines:
        if line.startswith(";"):
            in_text = not in_text
        elif not in_text and (found := _UNQUOTED.fullmatch(line)) and " _" not in found[2]:
            line = f"{found[1]}'{found[2]}'"
        elif not in_text and (found := _UNCLOSED.fullmatch(line)):
            line += found[2]
        elif not in_text and _HEADER.match(line):
            line = line.split()[0]
        yield line.encode("ascii", "replace").decode()


def _split(text: str) -> list[tuple[int, list[str]]]:
    """The lines from each data_ line outside of text fields to the next, with the number of lines before them."""
    blocks: list[tuple[int, list[str]]] = []
    in_text = False
    for number, line in enumerate(text.split("\n")):
        if line.startswith(";"):
            in_text = not in_text
        elif not in_text and _HEADER.match(line):
            blocks.append((number, []))
        if blocks:
            blocks[-1][1].append(line)
    return blocks


def _unquoted(raw: str) -> str:
    return cif.as_string(raw) if raw[:1] in _QUOTES else raw


@lru_cache(maxsize=1024)
def _given(raws: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(value for raw in raws if (value := _unquoted(raw)) not in _NOT_GIVEN)


@lru_cache(maxsize=1024)
def _kinds_of(names: tuple[str, ...]) -> tuple[bool, bool]:
    """Whether some names are those of a structure, and whether they are those of a modulated one."""
    is_structure = any(name.startswith(_OF_A_STRUCTURE) and not name.startswith("_atom_site_aniso") for name in names)
    return is_structure, any(name.startswith(_OF_A_MODULATION) for name in names)


def _is_empty(value: str | tuple[cif.Loop, int]) -> bool:
    return isinstance(value, str) and (value in _NOT_GIVEN or value in ("''", '""'))


@lru_cache(maxsize=8192)
def _plain_name(tag: str) -> str:
    """Names are case-insensitive, and the dot of newer dictionaries stands for an underscore; empty if not used."""
    name = tag.lower().replace(".", "_")
    return name if name.startswith(_USED) else ""
