"""Entries of OPTIMADE: one crystal or one reason, whatever they hold."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kappatune.data import optimade
from kappatune.structures import Crystal, Rejection
from kappatune.structures.optimade import crystal_of_optimade
from tests.builders import rocksalt
from tests.providers import entry_of

MGO = rocksalt(12, 8, 4.212, "MgO")
TWO = [{"name": "Mg", "chemical_symbols": ["Mg"], "concentration": [1.0]}]


def species(**changes: object) -> dict:
    oxygen = {"name": "O", "chemical_symbols": ["O"], "concentration": [1.0]} | changes
    return {"species": [*TWO, oxygen]}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (species(chemical_symbols=["O", "S"], concentration=[0.5, 0.5]), r"site 2 is disordered \(O 0.5, S 0.5\)"),
        (species(concentration=[0.9]), r"site 2 is disordered \(O 0.9\)"),
        (species(chemical_symbols=["O", "vacancy"], concentration=[0.9, 0.1]), "vacancy 0.1"),
        (species(chemical_symbols=[], concentration=[]), "disordered"),
        (species(chemical_symbols=["X"]), "site 2 is of an unknown element"),
        (species(chemical_symbols=["vacancy"]), "site 2 is a vacancy"),
        (species(chemical_symbols=["Qq"]), "not a chemical element"),
        (species(attached=["H"], nattached=[1]), "H attached"),
        (species(concentration=None), "species.1.concentration"),
        (species(name="other"), "'O', which the database does not explain"),
        ({"species": TWO}, "does not explain"),
        ({"nperiodic_dimensions": 2, "dimension_types": [1, 1, 0]}, r"not periodic in all three .*dimensions 2"),
        ({"nperiodic_dimensions": None, "dimension_types": [1, 1, 0]}, r"dimension_types \[1, 1, 0\]"),
        ({"structure_features": ["disorder"]}, "disorder: replace it by an ordered"),
        ({"structure_features": ["unknown_positions", "assemblies"]}, "unknown_positions, assemblies, which is not"),
        ({"lattice_vectors": None, "species": None}, "gives no lattice_vectors, species for it"),
        ({"lattice_vectors": [[None] * 3] * 3}, "unusable lattice_vectors.0.0"),
        ({"lattice_vectors": [[math.nan] * 3] * 3}, "not a number"),
        ({"lattice_vectors": [[1, 0, 0], [2, 0, 0], [0, 0, 1]]}, "Å.3 per atom"),
        ({"cartesian_site_positions": [[0, 0, 0]]}, "1 positions for 2 sites"),
        ({"cartesian_site_positions": [[0, 0, 0], [0, 0, math.inf]]}, "site 2 .* not a number"),
        ({"cartesian_site_positions": [[0, 0, 0], [0, 0, 0.1]]}, "0.10 Å apart"),
        ({"cartesian_site_positions": [], "species_at_sites": []}, "cartesian_site_positions"),
    ],
)
def test_an_entry_that_cannot_be_judged_says_why(changes, says):
    read = crystal_of_optimade(entry_of(MGO, **changes))
    assert isinstance(read, Rejection) and re.search(says, read.reason), read
    assert read.id == "MgO" and read.formula == "MgO"


def test_an_entry_without_optional_fields_is_read():
    read = crystal_of_optimade(entry_of(MGO, nperiodic_dimensions=None, dimension_types=None, structure_features=None))
    assert isinstance(read, Crystal) and read.frac_coords == pytest.approx(MGO.frac_coords)
    assert read.lattice == pytest.approx(MGO.lattice) and read.numbers.tolist() == [12, 8]


def test_a_rounded_concentration_is_a_whole_atom():
    assert isinstance(crystal_of_optimade(entry_of(MGO, **species(concentration=[0.999]))), Crystal)


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(codec=None), max_size=8),
    st.sampled_from(["Mg", "O", "X", "vacancy", "disorder", 1e308, 10**400]),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


def paths_of(value: object, path: tuple = ()) -> list[tuple]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(below for key, item in inner for below in paths_of(item, (*path, key)))]


def changed(value: object, path: tuple, replacement: object) -> object:
    if not path:
        return replacement
    copy = value.copy()
    copy[path[0]] = changed(value[path[0]], path[1:], replacement)
    return copy


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_whatever_an_entry_holds_it_gives_one_crystal_or_one_reason(data):
    entry: object = entry_of(MGO)
    for _ in range(data.draw(st.integers(1, 3))):
        entry = changed(entry, data.draw(st.sampled_from(paths_of(entry))), data.draw(JSON))
    read = optimade.crystal_of_entry(entry, 5, "https://host/v1/structures")
    assert isinstance(read, Crystal | Rejection) and read.id and read.file.startswith("https://host/v1/structures")
    for text in (read.id, read.file, getattr(read, "reason", "a reason"), read.formula or ""):
        text.encode()
    assert isinstance(read, Crystal) or read.reason


# Ids of the Materials Project
