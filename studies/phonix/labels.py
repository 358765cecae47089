"""The DFT labels: Phonix, L96, HH143 and the textbook values as numbered rows, each with prototype and family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import spglib
from numpy.typing import NDArray
from pymatgen.core import Composition

from kappatune.model.folds import Rows
from kappatune.storage import SHIPPED_TABLES
from kappatune.structures import Crystal
from kappatune.structures.table import LabelledCrystal, read_table
from studies.research_data import PHONIX
from studies.transfer.labels import MEASURED
from studies.transfer.research_tables import DFT_TABLES, MissingResearchTable
from studies.transfer.splits import anion, bonding_kind

PHONIX_SET = "Phonix"
TEXTBOOK = "textbook"
HEUSLERS = "measured Heuslers"
TABLES = {PHONIX_SET: PHONIX, **DFT_TABLES}
"""File of each set."""

TETRAHEDRAL = frozenset({"A 227 2", "AB 216 2", "AB 186 4"})
"""Prototypes of diamond, zincblende and wurtzite."""

_SYMPREC = 1e-2


@dataclass(frozen=True)
class DftLabels:
    """Rows in this order: Phonix, L96, HH143, textbook.

    Attributes:
        rows: The labelled crystals.
        set_of: (n,) `Phonix`, `L96`, `HH143`, `textbook` or `measured Heuslers`.
        formulas: (n,) reduced formulas.
        prototypes: (n,) anonymous formula, space group and number of sites.
        anions: (n,) most electronegative element.
        families: (n,) family as the table names it, else anion and prototype.
        n_sites: (n,) atoms in the cell of the table, which is the primitive one.
        kappa: (n,) W/(m K).
    """

    rows: list[LabelledCrystal]
    set_of: NDArray[np.str_]
    formulas: NDArray[np.str_]
    prototypes: NDArray[np.str_]
    anions: NDArray[np.str_]
    families: NDArray[np.str_]
    n_sites: NDArray[np.int64]
    kappa: NDArray[np.float64]

    def rows_of(self, name: str) -> Rows:
        """Numbers of the rows of one set."""
        return np.flatnonzero(self.set_of == name)

    @property
    def tetrahedral(self) -> NDArray[np.bool_]:
        """(n,) whether a row is diamond, zincblende or wurtzite, by its table's family or by its prototype."""
        named: NDArray[np.bool_] = self.families == "tetrahedral"
        return named | np.isin(self.prototypes, list(TETRAHEDRAL))


def read_labels(folder: Path) -> DftLabels:
    """Read the DFT tables of a folder, and the textbook values that come with the package.

    Raises:
        MissingResearchTable: A table is missing; the message names it.
    """
    tables: dict[str, list[LabelledCrystal]] = {}
    families: dict[str, str] = {}
    for name, file in TABLES.items():
        path = folder / file
        if not path.is_file():
            raise MissingResearchTable(f"{path} is missing: --data must be the folder of the research tables")
        tables[name] = read_table(path).rows
        if "family" in pq.read_schema(path).names:
            columns = pq.read_table(path, columns=["id", "family"]).to_pydict()
            families |= {f"{name}:{id}": bonding_kind(family) for id, family in zip(*columns.values(), strict=True)}
    tables[TEXTBOOK] = read_table(SHIPPED_TABLES["shipped:textbook"], default_fidelity="experiment").rows
    return labels_of(tables, families)


def with_heuslers(labels: DftLabels, folder: Path) -> DftLabels:
    """All labels, and after them the measured values of Heuslers of a folder.

    Raises:
        MissingResearchTable: The table is missing; the message names it.
    """
    path = folder / MEASURED
    if not path.is_file():
        raise MissingResearchTable(f"{path} is missing: --data must be the folder of the research tables")
    more = labels_of({HEUSLERS: read_table(path, default_fidelity="experiment").rows}, {})
    arrays = (field.name for field in fields(DftLabels) if field.name != "rows")
    joined = {name: np.concatenate([getattr(labels, name), getattr(more, name)]) for name in arrays}
    return DftLabels(rows=[*labels.rows, *more.rows], **joined)


def labels_of(tables: Mapping[str, Sequence[LabelledCrystal]], families: dict[str, str]) -> DftLabels:
    """Number the rows of several sets.

    Args:
        tables: Rows of each set, by its name.
        families: Families that tables name, by `SET:ID`.
    """
    rows = [row for of_set in tables.values() for row in of_set]
    ends = np.cumsum([0, *map(len, tables.values())])
    set_of = np.empty(len(rows), dtype="<U17")
    for name, (start, stop) in zip(tables, pairwise(ends), strict=True):
        set_of[start:stop] = name
    formulas = [row.crystal.formula_key for row in rows]
    prototypes = [prototype(row) for row in rows]
    anions = [anion(formula) for formula in formulas]
    own = [f"{a} {p}" for a, p in zip(anions, prototypes, strict=True)]
    named = [families.get(f"{s}:{row.crystal.id}") for s, row in zip(set_of, rows, strict=True)]
    return DftLabels(
        rows=rows,
        set_of=set_of,
        formulas=np.array(formulas),
        prototypes=np.array(prototypes),
        anions=np.array(anions),
        families=np.array([given or o for given, o in zip(named, own, strict=True)]),
        n_sites=np.array([_symmetry(row)[1] for row in rows]),
        kappa=np.array([row.kappa for row in rows]),
    )


def prototype(row: LabelledCrystal) -> str:
    """Anonymous formula, space group and number of sites, as `AB 225 2`."""
    number, n_sites = _symmetry(row)
    return f"{Composition(row.crystal.formula_key).anonymized_formula} {number} {n_sites}"


def _symmetry(row: LabelledCrystal) -> tuple[int, int]:
    """Space group and number of sites as the table gives them, else as the symmetry search finds them."""
    if {"spacegroup", "n_sites"} <= row.properties.keys():
        return int(row.properties["spacegroup"]), int(row.properties["n_sites"])
    crystal: Crystal = row.crystal
    cell = (crystal.lattice, crystal.frac_coords, crystal.numbers)
    found = spglib.get_symmetry_dataset(cell, symprec=_SYMPREC)
    primitive = spglib.find_primitive(cell, symprec=_SYMPREC)
    if found is None or primitive is None:
        return 1, crystal.n_atoms
    return int(found.number), len(primitive[2])
