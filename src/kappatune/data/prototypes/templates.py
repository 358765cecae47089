"""Crystal prototypes, from the AFLOW Library of Prototypes as it comes with pymatgen.

Mehl et al., Comput. Mater. Sci. 136, S1 (2017). Only cells of at most eight atoms are used.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pymatgen.core import Element, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from kappatune.storage import ASSETS

if TYPE_CHECKING:
    from ase import Atoms

Bonding = Literal["element", "ionic", "metallic"]
MAX_ATOMS = 8

_TABLE = ASSETS / "prototypes" / "templates.csv"


@dataclass(frozen=True)
class Template:
    """A prototype, its sites grouped into roles.

    Attributes:
        label: AFLOW's label, made unique by the Strukturbericht symbol where several share one.
        title: A name people know.
        bondings: Kinds of compounds it is offered to.
        counts: Atoms of each role in the primitive cell, divided by their common divisor. Roles that occur equally
            often stand in the order of the electronegativity of the prototype's elements.
        cell: Primitive cell; its atomic numbers are roles, counted from 1.
    """

    label: str
    title: str
    bondings: frozenset[str]
    counts: tuple[int, ...]
    cell: Atoms

    def filled(self, composition: Mapping[int, int]) -> Atoms | None:
        """The prototype with other elements, or None if the stoichiometry is another.

        Among elements that occur equally often the more electronegative one takes the more electronegative role.

        Args:
            composition: Atoms per formula unit of each atomic number, without common divisor.
        """
        elements = sorted(composition, key=lambda z: (composition[z], electronegativity(z)))
        if tuple(composition[z] for z in elements) != self.counts:
            return None
        filled = self.cell.copy()
        filled.numbers = np.array(elements)[self.cell.numbers - 1]
        return filled


@cache
def electronegativity(z: int) -> float:
    """Of an element, on Pauling's scale."""
    return float(Element.from_Z(z).X)


@cache
def templates() -> tuple[Template, ...]:
    """The prototypes of the table, in its order."""
    from pymatgen.analysis import prototypes

    with gzip.open(Path(prototypes.__file__).parent / "aflow_prototypes.json.gz", "rt", encoding="utf-8") as file:
        library = {_key(entry["tags"]): entry["snl"] for entry in json.load(file)}
    with _TABLE.open(newline="", encoding="utf-8") as lines:
        return tuple(_template(row, Structure.from_dict(library[_key(row)])) for row in csv.DictReader(lines))


def _key(tags: Mapping[str, str | None]) -> tuple[str | None, ...]:
    return tuple(tags[name] or None for name in ("aflow", "strukturbericht", "mineral"))


def _template(row: Mapping[str, str], structure: Structure) -> Template:
    from ase import Atoms

    primitive = SpacegroupAnalyzer(structure, symprec=1e-3).get_primitive_standard_structure()
    if len(primitive) > MAX_ATOMS:
        raise ValueError(f"prototype {row['label']} has {len(primitive)} atoms, not at most {MAX_ATOMS}")
    amounts = {element.Z: int(n) for element, n in primitive.composition.items()}
    given = [Element(symbol).Z for symbol in row["roles"].split()]
    roles = given or sorted(amounts, key=lambda z: (amounts[z], electronegativity(z)))
    divisor = math.gcd(*amounts.values())
    return Template(
        label=row["label"],
        title=row["title"],
        bondings=frozenset(row["bonding"].split()),
        counts=tuple(amounts[z] // divisor for z in roles),
        cell=Atoms(
            [roles.index(site.specie.Z) + 1 for site in primitive],
            cell=primitive.lattice.matrix,
            scaled_positions=primitive.frac_coords,
            pbc=True,
        ),
    )
