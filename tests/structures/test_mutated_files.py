"""Damaged and changed files end in a reason or in a crystal, never in a traceback."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure

from kappatune.structures import Crystal, Rejection, check, read_content
from studies.reading.mutations import mutated
from studies.reading.writers import WRITERS
from tests.structures.test_cases import CASES

ZNS = Structure.from_spacegroup(
    "P6_3mc", Lattice.hexagonal(3.82, 6.26), ["Zn", "S"], [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.375]]
)
KINDS = {".cif": "CIF", ".mcif": "CIF", ".vasp": "POSCAR", "": "POSCAR", ".extxyz": "extxyz", ".json": "JSON"}
FILES = {name: write(ZNS).encode() for name, write in WRITERS.items()}
FILES |= {path.name: path.read_bytes() for path in sorted(CASES.iterdir())}


@pytest.mark.parametrize("name", FILES)
def test_changed_files(name: str) -> None:
    kind = KINDS[Path(name).suffix]
    for seed in range(25):
        content, change = mutated(FILES[name], kind, random.Random(f"{name}/{seed}"))
        entries = list(read_content(content, name))
        assert entries, change
        for entry in entries:
            if isinstance(entry, Rejection):
                assert entry.reason and "\n" not in entry.reason and "Traceback" not in entry.reason, change
            else:
                assert isinstance(entry, Crystal) and check(entry) is entry, change
