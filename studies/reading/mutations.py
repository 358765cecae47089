"""Changes to structure files such as hands, programs and damaged disks make."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from functools import lru_cache

import gemmi

Change = Callable[[list[str], random.Random], list[str]]
"""Of the lines of a file."""

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:\(\d+\))?(?![\w.])")
_SYMBOL = re.compile(r"^(_(?:symmetry_)?space_group[_.]name_H-M\S*\s+)(.*)$", re.IGNORECASE)
_GROUP_NUMBER = re.compile(r"^(_(?:symmetry_Int_Tables|space_group[_.]IT)_number\s+)(\S+)", re.IGNORECASE)
_Z = re.compile(r"^(_cell_formula_units_Z\s+)(\S+)", re.IGNORECASE)
_FORMULA = re.compile(r"^(_chemical_formula_sum\s+)(.*)$", re.IGNORECASE)
_OPERATION = re.compile(r"[xyz]\s*[-+]?[\d/]*\s*,.*[xyz].*,", re.IGNORECASE)
_ATOM = re.compile(r"^\s*([A-Z][a-z]?)\S*\s.*\d\.\d")
_STRANGE = (
    "?",
    ".",
    "0",
    "1",
    "-1",
    "1e9",
    "nan",
    "1/3",
    "0.3333",
    "0.667",
    "0.5(12)",
    "abc",
    "'",
    ";",
    "#",
    "_x",
    "loop_",
)
_OPERATIONS = ("x,y,z", "-x,-y,-z", "x+1/2,y+1/2,z", "-y,x-y,z+1/3", "-x,y+1/2,-z+1/2", "y,x,z", "x,y,x")


def mutated(content: bytes, kind: str, choose: random.Random) -> tuple[bytes, str]:
    """A file changed once, twice or thrice.

    Args:
        content: The file.
        kind: As `kappatune.structures.files.kind_of` names it.
        choose: Makes all choices.

    Returns:
        The changed file, and what was done to it.
    """
    lines = content.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    names = []
    for _ in range(choose.choice((1, 1, 1, 2, 2, 3))):
        changes = CHANGES | (CIF_CHANGES if kind == "CIF" else {}) | (POSCAR_CHANGES if kind == "POSCAR" else {})
        name = choose.choice(sorted(changes))
        lines = changes[name](lines, choose) or [""]
        names.append(name)
    name = choose.choice(sorted(BYTES)) if choose.random() < _SHARE_OF_BYTES else ""
    text = "\n".join(lines).encode()
    return (BYTES[name](text, choose), ", ".join([*names, name])) if name else (text, ", ".join(names))


def _with_byte(text: bytes, choose: random.Random) -> bytes:
    place = choose.randrange(len(text) + 1)
    return text[:place] + bytes([choose.randrange(256)]) + text[place + 1 :]


_SHARE_OF_BYTES = 0.15

BYTES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "Windows line ends": lambda text, _: text.replace(b"\n", b"\r\n"),
    "old Mac line ends": lambda text, _: text.replace(b"\n", b"\r"),
    "byte order mark": lambda text, _: b"\xef\xbb\xbf" + text,
    "UTF-16": lambda text, _: text.decode("utf-8", "replace").encode("utf-16"),
    "Latin-1 comment": lambda text, _: text.replace(b"\n", b" # \xc5\xe9\n", 1),
    "cut": lambda text, choose: text[: choose.randrange(len(text) + 1)],
    "another byte": _with_byte,
    "tabs": lambda text, _: text.replace(b" ", b"\t"),
}
"""Changes of the bytes of a file."""


def _somewhere(lines: list[str], choose: random.Random, matching: Callable[[str], object] = str.strip) -> int | None:
    places = [index for index, line in enumerate(lines) if matching(line)]
    return choose.choice(places) if places else None


def _replaced(lines: list[str], index: int | None, *new: str) -> list[str]:
    return lines if index is None else [*lines[:index], *new, *lines[index + 1 :]]


def _delete_line(lines: list[str], choose: random.Random) -> list[str]:
    return _replaced(lines, _somewhere(lines, choose))


def _repeat_line(lines: list[str], choose: random.Random) -> list[str]:
    index = _somewhere(lines, choose)
    return lines if index is None else _replaced(lines, index, lines[index], lines[index])


def _swap_lines(lines: list[str], choose: random.Random) -> list[str]:
    one, other = choose.randrange(len(lines)), choose.randrange(len(lines))
    swapped = list(lines)
    swapped[one], swapped[other] = lines[other], lines[one]
    return swapped


def _change_words(change: Callable[[list[str], random.Random], list[str]]) -> Change:
    def changed(lines: list[str], choose: random.Random) -> list[str]:
        index = _somewhere(lines, choose)
        return lines if index is None else _replaced(lines, index, " ".join(change(lines[index].split(), choose)))

    return changed


def _without_word(words: list[str], choose: random.Random) -> list[str]:
    place = choose.randrange(len(words))
    return words[:place] + words[place + 1 :]


def _word_twice(words: list[str], choose: random.Random) -> list[str]:
    place = choose.randrange(len(words))
    return words[: place + 1] + words[place:]


def _shuffled_words(words: list[str], choose: random.Random) -> list[str]:
    return choose.sample(words, len(words))


def _strange_word(words: list[str], choose: random.Random) -> list[str]:
    place = choose.randrange(len(words))
    return [*words[:place], choose.choice(_STRANGE), *words[place + 1 :]]


def _change_number(change: Callable[[str, random.Random], str]) -> Change:
    def changed(lines: list[str], choose: random.Random) -> list[str]:
        index = _somewhere(lines, choose, _NUMBER.search)
        if index is None:
            return lines
        found = choose.choice(list(_NUMBER.finditer(lines[index])))
        line = lines[index]
        return _replaced(lines, index, line[: found.start()] + change(found[0], choose) + line[found.end() :])

    return changed


def _other_digit(number: str, choose: random.Random) -> str:
    place = choose.choice([index for index, mark in enumerate(number) if mark.isdecimal()])
    return number[:place] + choose.choice("0123456789") + number[place + 1 :]


CHANGES: dict[str, Change] = {
    "line deleted": _delete_line,
    "line repeated": _repeat_line,
    "lines swapped": _swap_lines,
    "file cut": lambda lines, choose: lines[: choose.randrange(1, len(lines) + 1)],
    "empty line": lambda lines, choose: _replaced(lines, (k := choose.randrange(len(lines))), "", lines[k]),
    "word deleted": _change_words(_without_word),
    "word repeated": _change_words(_word_twice),
    "words shuffled": _change_words(_shuffled_words),
    "strange word": _change_words(_strange_word),
    "digit": _change_number(_other_digit),
    "sign": _change_number(lambda number, _: number[1:] if number[:1] == "-" else f"-{number}"),
    "uncertainty": _change_number(lambda number, choose: f"{number.partition('(')[0]}({choose.randrange(1, 99)})"),
    "fewer digits": _change_number(lambda number, _: number.partition("(")[0][:5]),
    "more digits": _change_number(lambda number, _: f"{number.partition('(')[0]}000001"),
    "comment": lambda lines, choose: _replaced(
        lines, (k := choose.randrange(len(lines))), f"{lines[k]} {choose.choice('#!')} changed"
    ),
}
"""Of any file."""


@lru_cache(maxsize=1)
def _symbols() -> list[str]:
    return [name for one in gemmi.spacegroup_table() for name in (one.hm, one.xhm(), one.short_name())]


def _rewritten(pattern: re.Pattern[str], value: Callable[[str, random.Random], str]) -> Change:
    def changed(lines: list[str], choose: random.Random) -> list[str]:
        index = _somewhere(lines, choose, pattern.match)
        if index is None:
            return lines
        found = pattern.match(lines[index])
        assert found
        return _replaced(lines, index, f"{found[1]}{value(found[2], choose)}")

    return changed


def _without(pattern: re.Pattern[str]) -> Change:
    return lambda lines, _: [line for line in lines if not pattern.search(line)]


def _other_operation(lines: list[str], choose: random.Random) -> list[str]:
    return _replaced(lines, _somewhere(lines, choose, _OPERATION.search), f"'{choose.choice(_OPERATIONS)}'")


def _without_column(lines: list[str], choose: random.Random) -> list[str]:
    """Without one column of a loop, name and values."""
    starts = [k for k, line in enumerate(lines) if line.strip().lower() == "loop_"]
    if not starts:
        return lines
    first = choose.choice(starts) + 1
    tags = first
    while tags < len(lines) and lines[tags].strip().startswith("_"):
        tags += 1
    end = tags
    while end < len(lines) and len(lines[end].split()) == tags - first and not lines[end].strip().startswith("_"):
        end += 1
    if tags == first:
        return lines
    column = choose.randrange(tags - first)
    rows = [" ".join(word for k, word in enumerate(line.split()) if k != column) for line in lines[tags:end]]
    return lines[: first + column] + lines[first + column + 1 : tags] + rows + lines[end:]


def _atom_row(change: Callable[[str, str, random.Random], str]) -> Change:
    def changed(lines: list[str], choose: random.Random) -> list[str]:
        index = _somewhere(lines, choose, _ATOM.match)
        if index is None:
            return lines
        found = _ATOM.match(lines[index])
        assert found
        return _replaced(lines, index, change(lines[index], found[1], choose))

    return changed


def _other_symbol(_: str, choose: random.Random) -> str:
    return f"'{choose.choice(_symbols())}'"


_IONS = ("+", "-", "2+", "2-", "+2", "1.5+", "0", "(2)")

CIF_CHANGES: dict[str, Change] = {
    "space-group symbol": _rewritten(_SYMBOL, _other_symbol),
    "space-group symbol removed": _without(_SYMBOL),
    "symbol without spaces": _rewritten(_SYMBOL, lambda text, _: f"'{text.replace(' ', '').strip(chr(39))}'"),
    "space-group number": _rewritten(_GROUP_NUMBER, lambda _, choose: str(choose.randrange(0, 232))),
    "space-group number removed": _without(_GROUP_NUMBER),
    "Z": _rewritten(_Z, lambda _, choose: choose.choice("1234689?.")),
    "formula": _rewritten(
        _FORMULA, lambda _, choose: choose.choice(("'Na Cl'", "?", "'C6 H6'", "''", "Si", "'Al2 O3'"))
    ),
    "formula removed": _without(_FORMULA),
    "operation deleted": lambda lines, choose: _replaced(lines, _somewhere(lines, choose, _OPERATION.search)),
    "operations deleted": _without(_OPERATION),
    "other operation": _other_operation,
    "column of a loop removed": _without_column,
    "element": _atom_row(
        lambda line, symbol, choose: line.replace(symbol, choose.choice(("H", "O", "Si", "Fe", "Co", "D", "X", "Uu")))
    ),
    "charge": _atom_row(lambda line, symbol, choose: line.replace(f" {symbol} ", f" {symbol}{choose.choice(_IONS)} ")),
    "capitals": lambda lines, _: [line.upper() if line[:1] == "_" else line for line in lines],
    "dotted names": lambda lines, _: [
        line.replace("_cell_", "_cell.").replace("_atom_site_", "_atom_site.") for line in lines
    ],
    "second block": lambda lines, _: [*lines, *lines],
    "block name removed": _without(re.compile(r"^data_", re.IGNORECASE)),
}
"""Of a CIF."""


def _line_of_poscar(index: int, *values: str) -> Change:
    return lambda lines, choose: lines if index >= len(lines) else _replaced(lines, index, choose.choice(values))


POSCAR_CHANGES: dict[str, Change] = {
    "scale": _line_of_poscar(1, "1", "2.0", "-100.0", "-40", "0", "1 1 1", "1.0 1.1 1.2", "1 1", "-1 -1 -1", "1.0D+00"),
    "symbols": _line_of_poscar(5, "Na Cl", "Si", "Na_pv Cl/abc", "X", "H He", "", "D O"),
    "counts": _line_of_poscar(6, "1 1", "2", "4 4", "0 2", "1 1 1", "8"),
    "mode": _line_of_poscar(7, "Cartesian", "Direct", "kartesisch", "d", "Selective dynamics", "fractional", "", "0.0"),
    "symbols line removed": lambda lines, _: lines[:5] + lines[6:],
    "two files in one": lambda lines, _: [*lines, *lines],
}
"""Of a POSCAR."""
