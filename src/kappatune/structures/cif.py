"""Crystals of CIF files, one per data block, in the cell and the order of the file."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from kappatune.structures.crystal import BadCrystal, Crystal, Rejection, atomic_number, check_angles
from kappatune.structures.text import DISORDER_ADVICE, formula_of, unexpected, whole_text

if TYPE_CHECKING:
    from pymatgen.core import Structure
    from pymatgen.io.cif import CifParser

_COINCIDENCE = 1e-4
"""Fractional coordinates closer than this are one position to pymatgen's parser."""

_FORMULA_TOLERANCE = 0.01

_HEADER = re.compile(r"\s*data_", re.IGNORECASE)
_CELL_OR_ATOMS = re.compile(r"^\s*_(cell_length_|atom_site_(?!aniso))", re.IGNORECASE | re.MULTILINE)
_SPACE_GROUP = re.compile(r"_(symmetry|space_group)_(space_group_)?(name_|Int_Tables_number|IT_number)", re.IGNORECASE)
_SYMMETRY_OPERATION = re.compile(r"_(symop_operation|equiv_pos_as)_xyz", re.IGNORECASE)
_TRIPLET = re.compile(r"[^,]*[xyz][^,]*,[^,]*[xyz][^,]*,[^,]*[xyz][^,]*", re.IGNORECASE)

_NO_OPERATION = "is not one such as '-x, y+1/2, -z': correct it"

Values = dict[str, Any]
"""Values of a block by tag: text, or a list of texts for a column of a loop."""


@dataclass(frozen=True)
class _Site:
    name: str
    label: str
    number: int
    frac_coords: tuple[float, ...]


def read_cif(file: BinaryIO) -> Iterator[Crystal | Rejection]:
    """Read the crystals of a CIF file; blocks with neither a cell nor atoms are passed over.

    Raises:
        BadCrystal: The file is empty, not text, or none of its blocks holds a structure.
    """
    blocks = _blocks(whole_text(file))
    if not blocks:
        raise BadCrystal("there is no data_ line: the file is no CIF, or its beginning is missing")
    structures = [block for block in blocks if _CELL_OR_ATOMS.search(block)]
    if not structures:
        raise BadCrystal("no data block has a cell or atom sites: the file is cut, or holds no structure")
    for block in structures:
        yield _crystal(block)


def _blocks(text: str) -> list[str]:
    """Split at the data_ lines that stand outside of text fields."""
    blocks: list[list[str]] = []
    in_text = False
    for line in text.split("\n"):
        if line.startswith(";"):
            in_text = not in_text
        if in_text:
            line = _HEADER.sub("data-", line, count=1)
        elif header := _HEADER.match(line):
            blocks.append([])
            line = "data_" + line[header.end() :]
        if blocks:
            blocks[-1].append(line)
    return ["\n".join(block) for block in blocks]


def _crystal(block: str) -> Crystal | Rejection:
    values: Values = {}
    try:
        parser = _parser(block)
        values = next(iter(parser.as_dict().values()), {})
        _check_cell(values)
        _check_triplets(values)
        sites = _sites(values)
        structure = _structure(parser, sites)
        _check_symmetry(parser, values)
        _check_all_read(structure, sites)
        _check_formula(structure, values)
        return Crystal.from_pymatgen(_in_file_order(structure, sites))
    except BadCrystal as error:
        reason = str(error)
    except Exception as error:
        reason = unexpected("CIF", error)
    return Rejection("", reason, formula=formula_of(str(values.get("_chemical_formula_sum", ""))))


def _parser(block: str) -> CifParser:
    from pymatgen.io.cif import CifParser

    try:
        return CifParser.from_str(block)
    except KeyError as error:
        raise BadCrystal(f"the atom list has no column {error}: add it") from error
    except Exception as error:
        raise BadCrystal(
            "a loop_ table lacks rows, or has a row with too few or too many values: "
            "the file is cut or damaged, get the complete file"
        ) from error


def _number(value: object) -> float | None:
    """A number as CIF writes it, 5.64(2), or None."""
    try:
        number = float(str(value).partition("(")[0])
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _check_cell(values: Values) -> None:
    cell = {}
    for tag in [f"_cell_length_{x}" for x in "abc"] + [f"_cell_angle_{x}" for x in ("alpha", "beta", "gamma")]:
        if tag not in values:
            raise BadCrystal(f"{tag} is missing: the file is cut, or add the value")
        number = _number(values[tag])
        if number is None or number <= 0:
            raise BadCrystal(f"{tag} is '{values[tag]}', which is no positive number: correct it")
        cell[tag] = number
    check_angles(*(cell[f"_cell_angle_{x}"] for x in ("alpha", "beta", "gamma")))


def _check_triplets(values: Values) -> None:
    for tag, value in values.items():
        if _SYMMETRY_OPERATION.search(tag):
            for index, text in enumerate([value] if isinstance(value, str) else value, 1):
                if not _TRIPLET.fullmatch(text):
                    raise BadCrystal(f"symmetry operation {index} ('{text[:40]}') {_NO_OPERATION}")


def _sites(values: Values) -> list[_Site]:
    columns = {}
    for tag in ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy"):
        column = values.get(f"_atom_site_{tag}")
        if column is None and tag not in ("type_symbol", "occupancy"):
            raise BadCrystal(f"the atom list has no column _atom_site_{tag}: the file is cut, or add the column")
        if isinstance(column, str):
            raise BadCrystal(f"_atom_site_{tag} stands outside of a loop_: write the atoms as a loop_ table")
        if column is not None:
            columns[tag] = column
    if len({len(column) for column in columns.values()}) != 1:
        raise BadCrystal("the columns of the atom list differ in length: the file is damaged, get the complete file")
    rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    return [_site(index, row) for index, row in enumerate(rows, 1)]


def _site(index: int, row: dict[str, str]) -> _Site:
    name = f"site {index} ('{row['label'][:20]}')"
    occupancy = row.get("occupancy", "1")
    if occupancy != "?" and (value := _number(occupancy)) != 1:
        if value is None or not 0 < value < 1:
            raise BadCrystal(f"{name} has the occupancy '{occupancy}', which must be 1: correct it")
        raise BadCrystal(f"{name} is disordered (occupancy {occupancy}): {DISORDER_ADVICE}")
    for axis in "xyz":
        if _number(row[f"fract_{axis}"]) is None:
            raise BadCrystal(f"{name} has the {axis} coordinate '{row[f'fract_{axis}']}', no number: correct it")
    number = _number_of_label(row["label"], index) if "type_symbol" not in row else _number_of_type(row, index)
    return _Site(name, row["label"], number, tuple(float(_number(row[f"fract_{axis}"]) or 0) for axis in "xyz"))


def _number_of_type(row: dict[str, str], index: int) -> int:
    """Na, Na1+, NA, and Siva of the scattering-factor tables are elements; Nax is none."""
    letters = re.match(r"[A-Za-z]*", row["type_symbol"])[0]  # type: ignore[index]
    for symbol in (letters.removesuffix("val"), letters.removesuffix("va")):
        if symbol != letters and len(symbol) <= 2:
            letters = symbol
    return atomic_number(letters.capitalize() or row["type_symbol"], index)


def _number_of_label(label: str, index: int) -> int:
    """Without _atom_site_type_symbol, a label starts with the symbol."""
    letters = re.match(r"[A-Za-z]*", label)[0]  # type: ignore[index]
    try:
        return atomic_number(letters[:2].capitalize() or label, index)
    except BadCrystal:
        return atomic_number(letters[:1].upper() or label, index)


def _structure(parser: CifParser, sites: list[_Site]) -> Structure:
    try:
        structure = parser.parse_structures(primitive=False, on_error="raise")[0]
    except NotImplementedError as error:
        raise BadCrystal("modulated and magnetically disordered crystals are not read: give the average one") from error
    except ValueError as error:
        _check_operations(parser)
        if "Occupancy" in str(error):
            raise BadCrystal(_coincidence(parser, sites)) from error
        if "below threshold" in str(error):
            raise BadCrystal("the cell is flat: correct the cell lengths (Å) and angles") from error
        raise
    _check_operations(parser)
    return structure


def _check_operations(parser: CifParser) -> None:
    """Refuse a text that the parser takes for an operation but that flattens the crystal."""
    for index, operation in enumerate(getattr(parser, "symmetry_operations", ()), 1):
        if abs(abs(np.linalg.det(operation.rotation_matrix)) - 1) > 1e-6:
            raise BadCrystal(f"symmetry operation {index} {_NO_OPERATION}")


def _coincidence(parser: CifParser, sites: list[_Site]) -> str:
    coords = np.array([site.frac_coords for site in sites])
    for later in range(1, len(sites)):
        images = np.array([operation.operate(coords[later]) for operation in parser.symmetry_operations])
        apart = coords[:later, None] - images[None]
        same = (np.abs(apart - np.round(apart)) < 2 * _COINCIDENCE).all(axis=2).any(axis=1)
        if same.any():
            first = sites[int(np.flatnonzero(same)[0])]
            return f"{first.name} and {sites[later].name} overlap, they are one position: remove the duplicate"
    return "two rows of the atom list overlap, they are one position: remove the duplicate"


def _check_symmetry(parser: CifParser, values: Values) -> None:
    """Refuse the P1 that the parser falls back to where the file declares another symmetry."""
    if any("implicit hydrogens" in warning for warning in parser.warnings):
        raise BadCrystal("some sites carry hydrogens without coordinates: add the hydrogens to the atom list")
    if not any("Defaulting to P1" in warning for warning in parser.warnings):
        return
    for tag, value in values.items():
        if _SYMMETRY_OPERATION.search(tag):
            raise BadCrystal(f"a symmetry operation of {tag} {_NO_OPERATION}")
        if _SPACE_GROUP.match(tag) and re.sub(r"[\s_]", "", str(value)).upper() not in ("P1", "1", "?", ".", ""):
            raise BadCrystal(
                f"the space group '{value}' is not known and no symmetry operations are listed: "
                "list them as _space_group_symop_operation_xyz"
            )


def _check_all_read(structure: Structure, sites: list[_Site]) -> None:
    """Refuse what the parser leaves out, merges or reads as another element without a word."""
    if "implicit_hydrogens" in structure.site_properties:
        raise BadCrystal("an O and an H of the atom list overlap, they are one position: separate them")
    read = Counter(site.label for site in structure)
    elements = {(site.label, getattr(site.specie, "Z", 0)) for site in structure if site.is_ordered}
    for site in sites:
        read[site.label] -= 1
        if read[site.label] < 0:
            raise BadCrystal(
                f"{site.name} is lost when symmetry is applied: it overlaps with another site, or its symbol is "
                "not understood; remove the duplicate or correct _atom_site_type_symbol"
            )
        if (site.label, site.number) not in elements:
            raise BadCrystal(f"the element of {site.name} is not clear: correct _atom_site_type_symbol")


def _check_formula(structure: Structure, values: Values) -> None:
    """Refuse fewer atoms than the file declares: a cut atom list, hydrogens left out."""
    from pymatgen.core import Composition

    try:
        declared = Composition(str(values["_chemical_formula_sum"])).element_composition
    except Exception:
        return
    found = structure.composition.element_composition
    if not declared.num_atoms:
        return
    differ = any(
        not math.isclose(
            found.get_atomic_fraction(e), declared.get_atomic_fraction(e), rel_tol=_FORMULA_TOLERANCE, abs_tol=1e-9
        )
        for e in {*declared, *found}
    )
    if differ or found.num_atoms < declared.num_atoms - 0.5:
        raise BadCrystal(
            f"the atom list gives {found.formula.replace(' ', '')} but _chemical_formula_sum is "
            f"{declared.formula.replace(' ', '')}: the file is cut or atoms (often hydrogens) are missing, "
            "complete it or correct the formula"
        )


def _in_file_order(structure: Structure, sites: list[_Site]) -> Structure:
    from pymatgen.core import Structure

    rank: dict[str, int] = {}
    for index, site in enumerate(sites):
        rank.setdefault(site.label, index)
    return Structure.from_sites(sorted(structure, key=lambda site: rank[site.label]))
