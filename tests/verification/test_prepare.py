from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
import spglib
from ase.build import bulk
from ase.spacegroup import crystal as spacegroup_cell

from kappatune.structures import Crystal
from kappatune.structures.table import crystal_of_row
from kappatune.verification.outcomes import TooLarge
from kappatune.verification.prepare import choose_pair_cutoff, choose_supercells, fewest_pairs, prepare
from kappatune.verification.settings import VerifySettings
from kappatune.verification.standard_cell import standardise
from tests.builders import rocksalt, supercell, zincblende

STANDARD = VerifySettings.of("standard")


def group_at(crystal: Crystal, symprec: float) -> int:
    return spglib.get_symmetry_dataset((crystal.lattice, crystal.frac_coords, crystal.numbers), symprec=symprec).number


def rounded(crystal: Crystal, amplitude: float = 2e-4) -> Crystal:
    """What printing with few digits does to a cell."""
    noise = np.random.default_rng(1).uniform(-amplitude, amplitude, (crystal.n_atoms + 3, 3))
    frac = crystal.frac_coords + noise[3:] @ np.linalg.inv(crystal.lattice)
    return Crystal(crystal.lattice + 0.1 * noise[:3], crystal.numbers, frac, id=crystal.id)


def test_a_rounded_cell_keeps_its_space_group():
    crystal = rounded(zincblende(30, 16, 5.41, "ZnS"))
    assert group_at(crystal, 1e-5) < 216
    standard = standardise(crystal, STANDARD.symprec)
    assert standard.space_group == 216 and standard.n_operations == 24
    assert len(standard.primitive) == 2 and len(standard.conventional) == 8
    assert prepare(standard, STANDARD).n_forces < 80


@pytest.mark.shared
def test_the_pool_keeps_its_space_groups(shared_data):
    pool = shared_data / "phonondb_pool.parquet"
    rows = next(pq.ParquetFile(pool).iter_batches(batch_size=300)).to_pylist()
    (showcase,) = pq.read_table(pool, filters=[("id", "==", "mp-9127")]).to_pylist()
    lost = 0
    for row in (*rows, showcase):
        crystal = crystal_of_row(row, 2, pool)
        standard = standardise(crystal, STANDARD.symprec)
        assert standard.space_group == standard.dataset.number == group_at(crystal, 1e-3)
        lost += group_at(crystal, 1e-5) != standard.space_group
    assert lost > 10
    assert group_at(crystal, 1e-6) == 12 and standard.space_group == 162  # mp-9127 is given with six digits
    prepared = prepare(standard, VerifySettings.of("standard", pair_cutoff=3.0, max_atoms=80))
    assert sum(cell is not None for cell in prepared.phono3py.supercells_with_displacements) == 266


@pytest.mark.parametrize(
    "crystal", [rocksalt(12, 8, 4.21, "MgO"), Crystal.from_ase(bulk("ZnO", "wurtzite", 3.25, 5.2))]
)
def test_supercells_have_about_a_hundred_atoms_and_are_round(crystal):
    standard = standardise(crystal, 1e-3)
    cell, matrix, harmonic = choose_supercells(standard, STANDARD)
    repeats = np.diag(matrix)
    assert 60 <= len(cell) * np.prod(repeats) <= STANDARD.max_atoms and np.all(harmonic >= matrix)
    lengths = cell.cell.lengths() * repeats
    assert lengths.max() / lengths.min() < 1.6


def test_a_large_conventional_cell_gives_way_to_the_primitive_one():
    telluride = spacegroup_cell(
        ("Bi", "Te", "Te"),
        [(0, 0, 0.4), (0, 0, 0), (0, 0, 0.21)],
        spacegroup=166,
        cellpar=[4.4, 4.4, 30.5, 90, 90, 120],
    )
    least = VerifySettings.of("quick", max_atoms=8, max_harmonic_atoms=8)
    for atoms, n_primitive, n_conventional, largest, label in (
        (bulk("CaF2", "fluorite", 5.46), 3, 12, 96, "2x2x2, 96 atoms"),
        (telluride, 5, 15, 60, "2x2x1, 60 atoms"),
    ):
        standard, primitive = standardise(Crystal.from_ase(atoms), 1e-3), f"1x1x1, {n_primitive} atoms"
        small = prepare(standard, least)
        assert small.supercell_label == small.harmonic_supercell_label == primitive
        mixed = prepare(standard, least.replace(max_harmonic_atoms=largest))
        assert (mixed.supercell_label, mixed.harmonic_supercell_label) == (primitive, label)
        wanted = prepare(standard, least.replace(max_atoms=n_conventional, max_harmonic_atoms=largest))
        assert np.allclose(mixed.phono3py.phonon_supercell.cell, wanted.phono3py.phonon_supercell.cell)
    fewer = standardise(supercell(rocksalt(12, 8, 4.21), (2, 1, 1)), 1e-3)
    assert len(fewer.primitive) == 2


@pytest.mark.parametrize("reach", [0.9, 1.2, 1.55, 1.85])
def test_the_pair_cutoff_lies_in_a_gap_and_scales_with_the_crystal(reach):
    settings = VerifySettings.of("standard", reach=reach)
    small, large = (standardise(rocksalt(12, 8, a), 1e-3).primitive for a in (4.0, 6.0))
    assert choose_pair_cutoff(large, settings) == pytest.approx(1.5 * choose_pair_cutoff(small, settings))
    in_units = choose_pair_cutoff(small, settings) / 2.0
    assert np.abs(np.sqrt([1, 2, 3, 4]) - in_units).min() > 0.02
    assert in_units == pytest.approx(reach, rel=0.1)


def test_too_many_displacements_are_refused_before_any_force():
    with pytest.raises(TooLarge, match=r"\d+ force calculations of 64 atoms, more than max_forces = 10"):
        prepare(standardise(rocksalt(12, 8, 4.21), 1e-3), VerifySettings.of("quick", max_forces=10))


def test_a_large_cell_without_symmetry_is_refused_before_its_pairs_are_made():
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.arange(5) / 5] * 3), axis=-1).reshape(-1, 3)
    atoms = Crystal(
        13.0 * np.eye(3), rng.choice([11, 17], len(grid)), grid + rng.uniform(0, 0.04, grid.shape), id="glass"
    )
    with pytest.raises(TooLarge, match=r"at least \d+,\d+ force calculations of 125 atoms"):
        prepare(standardise(atoms, 1e-3), STANDARD)


@pytest.mark.parametrize(
    "crystal", [rocksalt(12, 8, 4.2), zincblende(30, 16, 5.4), rounded(zincblende(14, 14, 5.43), 0.05)]
)
def test_the_lower_bound_of_force_calculations_is_one(crystal):
    settings = VerifySettings.of("quick", max_atoms=16, max_harmonic_atoms=16)
    prepared = prepare(standardise(crystal, 1e-3), settings)
    assert 1 <= fewest_pairs(prepared.phono3py, prepared.pair_cutoff) <= prepared.n_forces_of_pairs
