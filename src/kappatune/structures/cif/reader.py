"""From a CIF to its crystals: one per data block, in the cell and the order of the file."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import BinaryIO

import numpy as np
from gemmi import cif
from numpy.typing import NDArray

from kappatune.structures.cif.blocks import Values, blocks_of
from kappatune.structures.cif.sites import COLUMNS, Sites, expanded, read_sites
from kappatune.structures.cif.space_groups import Group
from kappatune.structures.cif.symmetry import (
    Declared,
    SymmetryEvidence,
    same_composition,
    symmetry_is_certain,
    symmetry_of,
)
from kappatune.structures.crystal import (
    BadCrystal,
    Crystal,
    OverlappingAtoms,
    Rejection,
    check,
    check_angles,
    element_symbol,
    number_of_element,
)
from kappatune.structures.remarks import Remark
from kappatune.structures.text import formula_of, unexpected, whole_text

_CELL = (
    "_cell_length_a",
    "_cell_length_b",
    "_cell_length_c",
    "_cell_angle_alpha",
    "_cell_angle_beta",
    "_cell_angle_gamma",
)
_MIN_HEIGHT_ANGSTROM = 0.01
_ONE_PLACE_ANGSTROM = 0.01

_SYMBOLS = (
    "_space_group_name_h-m_alt",
    "_symmetry_space_group_name_h-m",
    "_space_group_name_h-m",
    "_space_group_name_h-m_full",
    "_symmetry_space_group_name_h-m_full",
)
_REFERENCE_SYMBOL = "_space_group_name_h-m_ref"
_NUMBERS = ("_space_group_it_number", "_symmetry_int_tables_number")
_HALL_SYMBOLS = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
_COORDINATE_SYSTEM = "_space_group_it_coordinate_system_code"
_SYSTEMS = ("_space_group_crystal_system", "_symmetry_cell_setting")
_OPERATIONS = (
    "_space_group_symop_operation_xyz",
    "_symmetry_equiv_pos_as_xyz",
    "_space_group_symop_magn_operation_xyz",
    "_space_group_symop_magn_operation_mxmymz",
)
_CENTRINGS = "_space_group_symop_magn_centering_xyz"
_OTHER_NAMES = re.compile(r"_(symmetry|space_group)_.*(name|number|schoen|point_group|laue|bravais).*")
_NO_SYMMETRY = ("p1", "c1", "c11", "0", "1", "11", "111", "p11", "ap", "-1")
_ELEMENT_COUNT = re.compile(r"([A-Z][a-z]?)(\d+(?:\.\d*)?|\.\d+)?[\s,]*", re.ASCII)


def read_cif(file: BinaryIO) -> Iterator[Crystal | Rejection]:
    """Read the crystals of a CIF file, checked; blocks with neither a cell nor atoms are passed over.

    Raises:
        BadCrystal: The file is empty, not text, or none of its blocks holds a structure.
    """
    for block in blocks_of(whole_text(file)):
        yield Rejection("", str(block)) if isinstance(block, BadCrystal) else _crystal(block)


class _AsymmetricUnit:
    """The listed sites in their cell, which a group repeats to the crystal."""

    def __init__(self, sites: Sites, lattice: NDArray[np.float64]) -> None:
        self._sites, self._lattice = sites, lattice
        self._repeated: dict[Group, tuple[NDArray[np.int64], Crystal]] = {}

    def crystal_in(self, group: Group) -> Crystal:
        """The crystal, unchecked.

        Raises:
            BadCrystal: A site is neither on a special position nor apart from it.
        """
        return self._repeat(group)[1]

    def checked_in(self, group: Group) -> Crystal:
        """The crystal.

        Raises:
            BadCrystal: It is none; overlapping atoms go by the names of their rows.
        """
        rows, crystal = self._repeat(group)
        try:
            return check(crystal)
        except OverlappingAtoms as error:
            first, second = sorted((int(rows[error.first]), int(rows[error.second])))
            one, other = self._sites.name(first), self._sites.name(second)
            if first == second:
                raise BadCrystal(
                    f"{one} and its image by symmetry are {error.distance:.2f} Å apart: correct its coordinates, "
                    "or the symmetry"
                ) from error
            if error.distance < _ONE_PLACE_ANGSTROM:
                raise BadCrystal(f"{one} and {other} overlap at one position: remove the duplicate") from error
            raise BadCrystal(
                f"{one} and {other} are {error.distance:.2f} Å apart: remove the duplicate or correct the coordinates"
            ) from error

    def _repeat(self, group: Group) -> tuple[NDArray[np.int64], Crystal]:
        if group not in self._repeated:
            rows, frac_coords = expanded(self._sites, group, self._lattice)
            self._repeated[group] = rows, Crystal(self._lattice, self._sites.numbers.take(rows), frac_coords)
        return self._repeated[group]


def _crystal(values: Values) -> Crystal | Rejection:
    crystal = None
    try:
        if values.is_modulated:
            raise BadCrystal("modulated crystals are not read: give the average one, or a commensurate supercell")
        lattice = _lattice(values)
        formula = values.text("_chemical_formula_sum") or ""
        counts = _counts_of(formula)
        sites = read_sites({name: values.column(name) for name in COLUMNS if name in values}, counts)
        unit = _AsymmetricUnit(sites, lattice)
        z = cif.as_number(values.text("_cell_formula_units_z") or "0", 0.0)
        declared = _declared(values)
        group = symmetry_of(declared, SymmetryEvidence(lattice, unit.crystal_in, counts, z, formula))
        crystal = unit.crystal_in(group)
        remarks = _formula_remarks(crystal, counts, z if symmetry_is_certain(declared) else 0.0)
        checked = unit.checked_in(group)
        return replace(checked, remarks=remarks) if remarks else checked
    except BadCrystal as error:
        reason = str(error)
    except Exception as error:
        reason = unexpected("CIF", error)
    return Rejection("", reason, formula=crystal.formula if crystal else _stated_formula(values))


def _lattice(values: Values) -> NDArray[np.float64]:
    """(3, 3) row vectors, Å, oriented as pymatgen does: c along z, a in the plane of x and z."""
    cell = []
    for name in _CELL:
        text = values.text(name)
        number = cif.as_number(text or "")
        if not 0 < number < math.inf:
            if name not in values:
                raise BadCrystal(f"{name} is missing: the file is cut, or add the value")
            given = f"'{text}', which is not a positive number" if text else "not given (? or .)"
            raise BadCrystal(f"{name} is {given}: correct it")
        cell.append(number)
    a, b, c, *degrees = cell
    (ax, az), (bx, by, bz) = _directions(*degrees)
    if ax * by < _MIN_HEIGHT_ANGSTROM / min(a, b, c):
        raise BadCrystal("the cell is flat: correct the cell lengths (Å) and angles")
    return np.array([[a * ax, 0.0, a * az], [b * bx, b * by, b * bz], [0.0, 0.0, c]])


@lru_cache(maxsize=4096)
def _directions(alpha: float, beta: float, gamma: float) -> tuple[tuple[float, float], tuple[float, float, float]]:
    """Unit vectors along a (x and z) and b; angles in degrees."""
    check_angles(alpha, beta, gamma)
    alpha, beta, gamma = math.radians(alpha), math.radians(beta), math.radians(gamma)
    cosine = (math.cos(alpha) * math.cos(beta) - math.cos(gamma)) / (math.sin(alpha) * math.sin(beta))
    gamma_star = math.acos(max(-1.0, min(1.0, cosine)))
    return (math.sin(beta), math.cos(beta)), (
        -math.sin(alpha) * math.cos(gamma_star),
        math.sin(alpha) * math.sin(gamma_star),
        math.cos(alpha),
    )


def _declared(values: Values) -> Declared:
    symbols = [text for name in _SYMBOLS if (text := values.text(name))]
    number = values.first_text(_NUMBERS)
    declared = Declared(
        symbols=tuple(dict.fromkeys(" ".join(symbol.split()) for symbol in symbols)),
        reference=values.text(_REFERENCE_SYMBOL) or "",
        number=int(number) if number.isdecimal() and int(number) else None,
        hall=values.first_text(_HALL_SYMBOLS),
        system=values.first_text(_SYSTEMS),
        code=values.text(_COORDINATE_SYSTEM) or "",
        operations=values.given(_OPERATIONS),
        centrings=tuple(values.column(_CENTRINGS)),
    )
    is_silent = not (declared.operations or symbols or declared.reference or declared.number or declared.hall)
    return declared._replace(otherwise=_stated_otherwise(values)) if is_silent else declared


def _stated_otherwise(values: Values) -> str:
    """Symmetry in names that do not tell the operations, as `_space_group_name_schoenflies Oh^5`."""
    for name in values:
        if _OTHER_NAMES.fullmatch(name) and (text := values.text(name)):
            plain = re.sub(r"[\s_^.'(){}]", "", text).lower()
            if plain not in _NO_SYMMETRY:
                return f"{name} {text}"
    return ""


@lru_cache(maxsize=65536)
def _counts_of(formula: str) -> dict[int, float]:
    """Atoms by atomic number of a formula such as 'Mg1 O1'; empty if not a plain formula. Deuterium counts as H."""
    counts: dict[int, float] = {}
    end = 0
    while end < len(formula):
        found = _ELEMENT_COUNT.match(formula, end)
        if found is None:
            return {}
        number = 1 if found[1] in ("D", "T") else number_of_element(found[1])
        if number is None:
            return {}
        counts[number] = counts.get(number, 0.0) + float(found[2] or 1)
        end = found.end()
    return {number: count for number, count in counts.items() if count}


def _stated_formula(values: Values) -> str | None:
    try:
        return formula_of(values.text("_chemical_formula_sum") or "")
    except BadCrystal:
        return None


def _formula_remarks(crystal: Crystal, counts: dict[int, float], z: float) -> tuple[str, ...]:
    """The remark that the atoms are others than the file declares, if they are.

    Args:
        crystal: The atoms.
        counts: Those of the formula; empty without one.
        z: Formulas in the cell; 0 where this or the symmetry is uncertain.

    Raises:
        BadCrystal: Atoms are missing, or may be: a cut atom list, hydrogens left out.
    """
    if not counts or (same_composition(crystal, counts) and crystal.n_atoms >= sum(counts.values()) - 0.5):
        return ()
    found = Counter(crystal.numbers.tolist())
    if z >= 1 and all(found[number] > count * z - 0.5 for number, count in counts.items()):
        units = f"{z:g} times " if z > 1 else ""
        return (
            Remark.FORMULA.sentence(
                f"the file states {units}{_written(counts)}, its atoms are {_written(found)}, and kappa is theirs"
            ),
        )
    raise BadCrystal(
        f"the atom list gives {_written(found)} but _chemical_formula_sum is {_written(counts)}: "
        "the file is cut or atoms (often hydrogens) are missing, complete it or correct the formula"
    )


def _written(counts: Mapping[int, float]) -> str:
    """Counts as a formula, in pymatgen's order of elements."""
    from pymatgen.core import Composition

    return str(Composition({element_symbol(z): n for z, n in counts.items()}).formula).replace(" ", "")
