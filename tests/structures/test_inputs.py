"""Whatever a user passes to a verb becomes a crystal or a sentence, never a traceback."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.build import bulk
from phonopy.structure.atoms import PhonopyAtoms
from pymatgen.core import IStructure, Lattice, Molecule, PeriodicSite, Structure

from kappatune.structures.crystal import Crystal, Rejection
from kappatune.structures.inputs import as_entries
from tests.builders import rocksalt

NACL = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
CELL = (NACL.lattice.matrix, NACL.frac_coords, NACL.atomic_numbers)
PHONOPY_ATOMS = PhonopyAtoms(
    cell=NACL.lattice.matrix, scaled_positions=NACL.frac_coords, numbers=list(NACL.atomic_numbers)
)
CRYSTALS = {
    "structure": NACL,
    "immutable structure": IStructure.from_sites(NACL),
    "atoms": NACL.to_ase_atoms(),
    "dictionary": NACL.as_dict(),
    "dictionary beside an id": {"structure": NACL.as_dict()},
    "cell tuple": CELL,
    "cell tuple of lists": tuple(np.asarray(part).tolist() for part in CELL),
    "cell tuple with magnetic moments": (*CELL, [0.0] * 8),
    "cell tuple with symbols": (*CELL[:2], [str(site.specie) for site in NACL]),
    "phonopy atoms": PHONOPY_ATOMS,
    "crystal": rocksalt(11, 17, 5.64),
}


@pytest.mark.parametrize("kind", CRYSTALS)
@pytest.mark.parametrize("wrap", [lambda item: item, lambda item: [item], lambda item: iter([item])])
def test_what_holds_a_crystal_is_read_alone_and_in_a_list(kind, wrap):
    (entry,) = as_entries(wrap(CRYSTALS[kind]))
    assert isinstance(entry, Crystal) and entry.formula == "NaCl" and entry.id
    assert np.isclose(entry.volume / entry.n_atoms, 5.64**3 / 8)


def test_names_are_positions_unless_the_input_has_one():
    entries = as_entries([NACL, {**NACL.as_dict(), "id": "mine"}, CELL, Rejection("gone", "because"), NACL.as_dict()])
    assert [entry.id for entry in entries] == ["1", "mine", "3", "gone", "5"]


@pytest.mark.parametrize("items", [[NACL] * 3, (NACL,) * 3, [CELL] * 3, (CELL,) * 4, np.array([None] * 3)])
def test_a_collection_is_never_taken_for_a_cell(items):
    assert len(list(as_entries(items))) == len(items)


REFUSED = {
    "molecule": (Molecule(["C", "O"], [[0, 0, 0], [0, 0, 1.1]]), "a Molecule has no lattice"),
    "molecule as dictionary": (Molecule(["C"], [[0, 0, 0]]).as_dict(), "no lattice"),
    "molecule of ASE": (Atoms("CO", [[0, 0, 0], [0, 0, 1.1]]), "not periodic"),
    "lattice": (Lattice.cubic(4), "a Cubic|a Lattice"),
    "site": (PeriodicSite("Na", [0, 0, 0], Lattice.cubic(4)), "a PeriodicSite"),
    "nothing": (None, "a NoneType"),
    "number": (3, "an int"),
    "bytes": (b"data_x", "a bytes"),
    "text of a file": ("data_x\n_cell_length_a 3\n", "text of a file, where a path is expected"),
    "empty string": ("", "an empty string"),
    "open file": (io.StringIO("data_x\n"), "a StringIO"),
    "data frame": (pd.DataFrame({"structure": [NACL]}), "a DataFrame"),
    "empty dictionary": ({}, "no 'sites'"),
    "other dictionary": ({"a": NACL}, "no 'sites'"),
    "array of one number": (np.array(3.0), "a ndarray"),
    "cell without atoms": ((np.eye(3), [], []), "no atoms"),
    "cell with ragged positions": ((np.eye(3) * 4, [[0, 0], [1]], [11, 17]), "cannot be read as a crystal"),
    "cell with too few numbers": ((np.eye(3) * 4, [[0, 0, 0]], [11, 17]), "1 positions but 2 atomic numbers"),
    "cell with an unknown number": ((np.eye(3) * 4, [[0, 0, 0]], [200]), "atomic number"),
    "cell with an unknown symbol": ((np.eye(3) * 4, [[0, 0, 0]], ["Qq"]), "'Qq'"),
    "missing file": (Path("missing.cif"), "no such file"),
    "class": (Structure, "cannot be read as a crystal"),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("wrap", [lambda item: item, lambda item: [item]])
def test_what_holds_none_becomes_one_row_with_a_reason(kind, wrap):
    item, reason = REFUSED[kind]
    (entry,) = as_entries(wrap(item))
    assert isinstance(entry, Rejection)
    assert re.search(reason, entry.reason), entry.reason
    assert "\n" not in entry.reason and entry.id


def test_an_object_whose_attributes_fail_costs_only_its_row():
    class Broken:
        lattice = None

        @property
        def frac_coords(self):
            raise RuntimeError("broken\nin two lines")

    entries = list(as_entries([bulk("Si"), Broken(), bulk("Si")]))
    assert [type(entry) for entry in entries] == [Crystal, Rejection, Crystal]
    assert "a Broken cannot be read as a crystal" in entries[1].reason


def test_iterables_are_read_lazily():
    def endless():
        while True:
            yield NACL

    entries = as_entries(endless())
    assert [next(entries).id for _ in range(3)] == ["1", "2", "3"]
