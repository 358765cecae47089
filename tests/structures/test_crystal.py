"""Crystals to and from pymatgen and ASE, their formulas, and the checks that each passes."""

from __future__ import annotations

import time

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import DummySpecies, Lattice, Species, Structure

from kappatune.structures.crystal import (
    BadCrystal,
    Crystal,
    check,
    element_symbol,
    n_translations,
    neighbour_pairs,
)


def crystal(numbers: list[int], frac_coords: list[list[float]], lattice: object = None) -> Crystal:
    cell = 4.0 * np.eye(3) if lattice is None else np.array(lattice, dtype=float)
    return Crystal(cell, np.array(numbers, dtype=np.int64), np.array(frac_coords, dtype=float).reshape(-1, 3))


SALT: tuple[list[int], list[list[float]]] = ([11, 17], [[0, 0, 0], [0.5, 0.5, 0.5]])


class TestConversion:
    def test_pymatgen_round_trip(self) -> None:
        structure = Structure(Lattice.hexagonal(3.2, 5.2), ["Mg", "Mg"], [[1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]])
        read = Crystal.from_pymatgen(structure, id="mg", file="mg.cif")
        assert (read.id, read.file, read.n_atoms, read.formula) == ("mg", "mg.cif", 2, "Mg")
        assert read.volume == pytest.approx(structure.volume)
        np.testing.assert_allclose(read.cartesian, structure.cart_coords, atol=1e-12)
        assert read.to_pymatgen() == structure

    def test_pymatgen_species_with_charges(self) -> None:
        structure = Structure(Lattice.cubic(4), [Species("Na", 1), Species("Cl", -1)], SALT[1])
        assert Crystal.from_pymatgen(structure).numbers.tolist() == SALT[0]

    @pytest.mark.parametrize("symbols", [["D", "O"], ["T", "O"], [Species("D", 1), "O"]])
    def test_isotopes_are_refused(self, symbols: list[str]) -> None:
        with pytest.raises(BadCrystal, match=r"site 1 is [DT], an isotope of hydrogen"):
            Crystal.from_pymatgen(Structure(Lattice.cubic(4), symbols, SALT[1]))

    def test_disordered_and_dummy_sites_are_refused(self) -> None:
        with pytest.raises(BadCrystal, match=r"site 2 is disordered .*ordered approximant"):
            Crystal.from_pymatgen(Structure(Lattice.cubic(4), ["Na", {"Cl": 0.5, "Br": 0.5}], SALT[1]))
        with pytest.raises(BadCrystal, match="site 2 is disordered"):
            Crystal.from_pymatgen(Structure(Lattice.cubic(4), ["Na", {"Cl": 0.9}], SALT[1]))
        with pytest.raises(BadCrystal, match=r"site 1 is 'X.*not a chemical element"):
            Crystal.from_pymatgen(Structure(Lattice.cubic(4), [DummySpecies("X"), "Cl"], SALT[1]))

    def test_ase(self) -> None:
        atoms = bulk("NaCl", "rocksalt", a=5.64)
        read = Crystal.from_ase(atoms, id="salt")
        assert (read.id, read.formula) == ("salt", "NaCl")
        np.testing.assert_allclose(read.lattice, atoms.cell.array)
        np.testing.assert_allclose(read.cartesian, atoms.positions, atol=1e-12)
        np.testing.assert_array_equal(Crystal.from_pymatgen(read.to_pymatgen()).numbers, atoms.numbers)

    def test_ase_refusals(self) -> None:
        with pytest.raises(BadCrystal, match="not periodic in all three directions"):
            Crystal.from_ase(Atoms("H2O", positions=np.eye(3)))
        with pytest.raises(BadCrystal, match="site 2 is 'X'"):
            Crystal.from_ase(Atoms("NaX", scaled_positions=SALT[1], cell=4 * np.eye(3), pbc=True))
        with pytest.raises(BadCrystal, match="per atom"):
            Crystal.from_ase(Atoms("Na", cell=[4, 4, 0], pbc=True))


class TestCheck:
    def test_a_crystal_comes_back_itself(self) -> None:
        salt = crystal(*SALT)
        assert check(salt) is salt

    @pytest.mark.parametrize(
        ("second", "distance"),
        [([0.02, 0, 0], "0.08"), ([0.98, 0, 0], "0.08"), ([0, 1.0, 0], "0.00"), ([0.96, 0.04, 1.04], "0.28")],
    )
    def test_overlap_also_across_the_boundary(self, second: list[float], distance: str) -> None:
        with pytest.raises(BadCrystal, match=rf"site \d \(..\) and site \d \(..\) are {distance} Å apart: remove"):
            check(crystal([11, 17], [[0, 0, 0], second]))

    def test_an_atom_overlaps_with_its_own_image(self) -> None:
        with pytest.raises(BadCrystal, match=r"site 1 \(Na\) and site 1 \(Na\) are 0.40 Å apart"):
            check(crystal([11], [[0, 0, 0]], np.diag([0.4, 4, 4])))

    def test_hydrogen_molecules_do_not_overlap(self) -> None:
        molecule = crystal([1, 1], [[0, 0, 0], [0.74 / 4, 0, 0]])
        assert check(molecule) is molecule

    @pytest.mark.parametrize(
        ("bad", "reason"),
        [
            (crystal([], []), "no atoms"),
            (crystal(*SALT, np.diag([4, 4, np.nan])), "cell has an entry that is not a number"),
            (crystal(*SALT, np.diag([4, 4, np.inf])), "cell has an entry that is not a number"),
            (crystal(*SALT, np.diag([4, 4, 0])), r"0 Å\^3 per atom"),
            (crystal(*SALT, [[4, 0, 0], [0, 4, 0], [4, 4, 0]]), r"0 Å\^3 per atom"),
            (crystal(*SALT, 0.4 * np.eye(3)), r"per atom.*unit \(Å\)"),
            (crystal(*SALT, 100 * np.eye(3)), r"5e\+05 Å\^3 per atom.*more than 10000"),
            (crystal(*SALT, np.diag([1e5, 0.1, 1])), r"extends over 1e\+05 Å"),
            (crystal(*SALT, 1e200 * np.eye(3)), r"extends over 1e\+200 Å"),
            (crystal(*SALT, np.diag([1e-3, 100, 100])), "thin"),
            (
                crystal([11, 17], [[0, 0, 0], [0.5, np.nan, 0.5]]),
                r"site 2 \(Cl\) has a coordinate that is not a number",
            ),
            (crystal([11, 17], [[np.inf, 0, 0], [0.5, 0.5, 0.5]]), r"site 1 \(Na\) has a coordinate"),
        ],
    )
    def test_refusals(self, bad: Crystal, reason: str) -> None:
        with pytest.raises(BadCrystal, match=reason):
            check(bad)

    @settings(max_examples=60, deadline=None)
    @given(
        shift=st.lists(st.floats(-3, 3), min_size=3, max_size=3),
        image=st.lists(st.integers(-3, 3), min_size=3, max_size=3),
    )
    def test_neighbours_do_not_depend_on_the_choice_of_origin_or_image(
        self, shift: list[float], image: list[int]
    ) -> None:
        base = np.array([[0, 0, 0], [0.5, 0.5, 0.5]])
        moved = base + shift
        moved[1] += image
        _, _, expected = neighbour_pairs(crystal(SALT[0], base.tolist()), 4.5)
        _, _, found = neighbour_pairs(crystal(SALT[0], moved.tolist()), 4.5)
        np.testing.assert_allclose(np.sort(found), np.sort(expected), atol=1e-6)
        assert len(expected) == 2 * (8 + 6)


class TestSymbols:
    def test_symbols(self) -> None:
        assert [element_symbol(z) for z in (1, 26, 118)] == ["H", "Fe", "Og"]


class TestTranslations:
    def test_large_cells_take_no_time(self) -> None:
        rng = np.random.default_rng(0)
        amorphous = Crystal(np.eye(3) * 30.0, np.full(1500, 14), rng.random((1500, 3)))
        grid = np.stack(np.meshgrid(*[np.arange(7) / 7] * 3), axis=-1).reshape(-1, 3)
        perfect = Crystal(np.eye(3) * 21.0, np.full(343, 14), grid)
        started = time.perf_counter()
        assert n_translations(amorphous) == 1
        assert n_translations(perfect) == 343
        assert time.perf_counter() - started < 2.0

    def test_two_formula_units_need_not_be_two_cells(self) -> None:
        rutile = Structure.from_spacegroup(
            "P4_2/mnm", Lattice.tetragonal(4.59, 2.96), ["Ti", "O"], [[0, 0, 0], [0.305, 0.305, 0]]
        )
        crystal = Crystal.from_pymatgen(rutile)
        assert crystal.n_atoms == 6 and n_translations(crystal) == 1
        assert n_translations(Crystal.from_pymatgen(rutile * (1, 2, 3))) == 6
