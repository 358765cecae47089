from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk

from kappatune.structures import Crystal
from kappatune.verification.phono3py_time import Phono3pyWork, n_threads
from kappatune.verification.prepare import PreparedCrystal, prepare
from kappatune.verification.settings import VerifySettings
from kappatune.verification.standard_cell import standardise

QUICK = VerifySettings.of("quick", reach=0.9, max_atoms=32, max_harmonic_atoms=32)
WORK = Phono3pyWork(2, 64, 1536, 146, (300.0, 700.0, 3000.0))


def prepared(atoms) -> PreparedCrystal:
    return prepare(standardise(Crystal.from_ase(atoms), QUICK.symprec), QUICK)


def counted(crystal: PreparedCrystal, mesh_length: float) -> int:
    from phono3py.phonon3.triplets import get_triplets_at_q
    from phonopy.phonon.grid import get_ir_grid_points

    phonons = crystal.phono3py
    phonons.mesh_numbers = mesh_length
    grid = phonons.grid
    return sum(len(get_triplets_at_q(point, grid)[0]) for point in grid.grg2bzg[get_ir_grid_points(grid)[0]])


@pytest.mark.parametrize(
    "atoms",
    [bulk("MgO", "rocksalt", 4.21), bulk("GaAs", "zincblende", 5.65), bulk("ZnO", "wurtzite", a=3.25, c=5.21)],
    ids=["with inversion", "without", "hexagonal"],
)
def test_triplets_are_about_as_many_as_phono3py_finds(atoms):
    crystal = prepared(atoms)
    _, estimated, _ = Phono3pyWork.of(crystal, QUICK).n_triplets
    assert estimated == pytest.approx(counted(crystal, QUICK.mesh_length), rel=0.25)


def test_the_work_is_that_of_the_displacements():
    crystal = prepared(bulk("MgO", "rocksalt", 4.21))
    work = Phono3pyWork.of(crystal, QUICK)
    assert (work.n_primitive, work.n_atoms) == (2, len(crystal.phono3py.supercell))
    assert work.n_displacements == len(crystal.phono3py.supercells_with_displacements)
    assert work.n_operations == 48 * work.n_atoms / work.n_primitive


def test_each_part_of_the_work_takes_time():
    for more in ({"n_primitive": 4}, {"n_atoms": 128}, {"n_triplets": (300.0, 700.0, 6000.0)}):
        assert replace(WORK, **more).transport_seconds > WORK.transport_seconds
    for more in ({"n_operations": 3072}, {"n_displacements": 300}, {"n_atoms": 128}):
        assert replace(WORK, **more).setup_seconds > WORK.setup_seconds


def test_threads_are_those_of_phono3py(monkeypatch):
    monkeypatch.setenv("RAYON_NUM_THREADS", "3")
    assert n_threads() == 3
    monkeypatch.delenv("RAYON_NUM_THREADS")
    assert n_threads() >= 1 and np.isfinite(n_threads())
