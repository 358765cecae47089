"""Where two other readers give one crystal and ours another: what the file itself says, or who looked."""

from __future__ import annotations

import gemmi
from gemmi import cif

from studies.reading.fingerprint import VOLUME_TOLERANCE, Fingerprint

BY_FORMULA = "the formula of the file is that of ours and not of theirs"
BY_VOLUME = "the cell, Z and the formula of the file confirm ours and not theirs"

INCOMPLETE = "operations of the named space group are missing from the list, and the others do without them"
NUMBERED = "the others overlook the symbols of line 1, and call the elements H, He, Li"

_OPERATIONS = "_symmetry_equiv_pos_as_xyz"
_CELL = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")

_SYMBOL = "the others do not know this spelling of the space group, and take the listed atoms alone"
_CENTRING = "the others leave out the centring translations of a magnetic cell; pymatgen agrees with ours"

OURS_IS_RIGHT = {
    "2abd692ac509": _SYMBOL,  # P2_1/n
    "70e4807276f8": _SYMBOL,  # P2(1)/c
    "c2d3c1b0c727": _SYMBOL,  # C2:b1
    "dd30615e0a09": _SYMBOL,  # F m -3 m as _space_group_name_H-M_ref
    "1b83a9099939": _CENTRING,
    "cfafaac692ab": _CENTRING,
    "503804cb6331": _CENTRING,
    "4bc405117bc6": _CENTRING,
    "e41fe7d17d70": "the list of operations lacks the identity, which the others do not add",
    "49fa4ead5667": "the symbol leaves the origin open, and in that of the others carbon atoms are 0.8 Å apart",
}
"""By hash of the content: files that were looked at one by one, and why ours is right."""


def why_ours(content: bytes, content_hash: str, ours: Fingerprint, others: list[Fingerprint]) -> str:
    """Why ours is right where others agree on another crystal, or an empty text.

    Args:
        content: The file.
        content_hash: Its hash, as `StructureFile.hash`.
        ours: Our crystal.
        others: What the other readers agree on.
    """
    formula, volumes = _stated(content)
    if formula == ours.formula and all(other.formula != formula for other in others):
        return BY_FORMULA
    if formula == ours.formula and _near(ours, volumes) and not any(_near(other, volumes) for other in others):
        return BY_VOLUME
    if _operations_are_missing(content) and all(other.volume_per_atom > ours.volume_per_atom for other in others):
        return INCOMPLETE
    if all(_is_numbered(other, ours) for other in others):
        return NUMBERED
    return OURS_IS_RIGHT.get(content_hash, "")


def _is_numbered(crystal: Fingerprint, ours: Fingerprint) -> bool:
    """Whether a crystal has the elements 1, 2, 3 in place of others."""
    elements, true = ({one for one, _ in some.distances} for some in (crystal, ours))
    same_volume = abs(crystal.volume_per_atom / ours.volume_per_atom - 1) < VOLUME_TOLERANCE
    return same_volume and elements == set(range(1, len(true) + 1)) != true


def _operations_are_missing(content: bytes) -> bool:
    """Whether a CIF lists some, not all, operations of the space group that gemmi knows by its symbol."""
    try:
        block = _block(content)
        group = gemmi.find_spacegroup_by_name(cif.as_string(block.find_value("_symmetry_space_group_name_H-M")))
        listed = {gemmi.Op(cif.as_string(text)).wrap().triplet() for text in block.find_values(_OPERATIONS)}
        return listed < {one.wrap().triplet() for one in group.operations()}
    except (ValueError, RuntimeError, StopIteration, TypeError, AttributeError):
        return False


def _block(content: bytes) -> cif.Block:
    document = cif.Document()
    document.parse_string(content.decode("latin-1"))
    return next(one for one in document if one.find_value("_cell_length_a"))


def _near(crystal: Fingerprint, volumes: list[float]) -> bool:
    return any(abs(crystal.volume_per_atom / volume - 1) < VOLUME_TOLERANCE for volume in volumes)


def _stated(content: bytes) -> tuple[str, list[float]]:
    """What a CIF states: the reduced formula, and by cell and Z the volume per atom, as gemmi and pymatgen read them.

    Z counts formulas as they are written, or reduced ones, which makes two volumes, Å^3; none without Z.
    """
    from pymatgen.core import Composition

    formula = ""
    try:
        block = _block(content)
        composition = Composition(cif.as_string(block.find_value("_chemical_formula_sum")))
        formula = composition.reduced_formula
        cell = gemmi.UnitCell(*(cif.as_number(block.find_value(f"_cell_{name}")) for name in _CELL))
        z = cif.as_number(block.find_value("_cell_formula_units_Z"))
        counted = (composition, composition.reduced_composition)
        return formula, [cell.volume / (z * one.num_atoms) for one in counted]
    except (ValueError, RuntimeError, StopIteration, TypeError, ZeroDivisionError):
        return formula, []
