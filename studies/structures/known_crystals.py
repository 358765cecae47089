"""Crystals of known dimension, from `known_crystals.csv`: in how many directions their bonds run, by textbooks.

0 stands for molecules, 1 for chains, 2 for layers, 3 for the rest. Cells and coordinates are rounded literature values;
space groups are in pymatgen's settings.
"""

from __future__ import annotations

import csv
from fractions import Fraction
from functools import cache
from pathlib import Path

from pymatgen.core import Lattice, Structure

_TABLE = Path(__file__).with_name("known_crystals.csv")


@cache
def known_crystals() -> dict[str, tuple[int, Structure]]:
    """Dimension and structure by name."""
    with _TABLE.open(newline="", encoding="utf-8") as lines:
        return {row["name"]: (int(row["dimension"]), _structure(row)) for row in csv.DictReader(lines)}


def _structure(row: dict[str, str]) -> Structure:
    lattice = getattr(Lattice, row["lattice"])(*map(float, row["lengths_angstrom"].split()))
    sites = [site.split() for site in row["sites"].split("; ")]
    positions = [[float(Fraction(x)) for x in position] for _, *position in sites]
    return Structure.from_spacegroup(row["space_group"], lattice, [symbol for symbol, *_ in sites], positions)
