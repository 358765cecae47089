from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.optimize import BFGS
from ase.units import GPa

from kappatune.calculations.elasticity import elastic_constants
from kappatune.calculations.relaxation import relax
from kappatune.calculations.symmetry import Symmetry, primitive_cell
from kappatune.physics.elastic import BadElasticity, isotropic_moduli, strain_tensor, stress_rotation
from kappatune.potentials import Potential
from kappatune.structures import Crystal
from tests import toy_potentials as toy

STEPS = {"strain": 0.002, "displacement": 0.005, "symprec": 1e-3}


def stiffness(atoms: Atoms, potential: Potential, **steps: float) -> np.ndarray:
    return elastic_constants(atoms, potential, **steps).stiffness


def relaxed(atoms: Atoms, potential: Potential) -> Atoms:
    cell, _ = primitive_cell(Crystal.from_ase(atoms), 1e-3)
    return relax(cell, potential, fmax=1e-4, max_steps=200, symprec=1e-3)


@pytest.fixture(scope="module")
def silicon():
    potential = Potential("Tersoff", "", toy.silicon())
    return potential, relaxed(bulk("Si", "diamond", 5.43), potential)


def energy_stiffness(atoms: Atoms, potential: Potential, pattern: list[float]) -> float:
    """Second derivative of the energy by a strain, ions clamped, GPa."""
    h = 0.004
    cells = []
    for size in (-h, 0.0, h):
        cell = atoms.copy()
        cell.set_cell(atoms.cell.array @ (np.eye(3) + size * strain_tensor(np.array(pattern))), scale_atoms=True)
        cells.append(cell)
    below, at, above = potential.energies(cells)
    return (below + above - 2 * at) / h**2 / atoms.get_volume() / GPa


def test_lennard_jones_fcc_against_energies_and_cauchy():
    potential = Potential("LJ", "", toy.argon())
    atoms = relaxed(bulk("Ar", "fcc", 5.26), potential)
    c = stiffness(atoms, potential, **STEPS)
    assert c[0, 0] == pytest.approx(energy_stiffness(atoms, potential, [1, 0, 0, 0, 0, 0]), rel=1e-3)
    assert c[3, 3] == pytest.approx(energy_stiffness(atoms, potential, [0, 0, 0, 1, 0, 0]), rel=1e-3)
    assert c[0, 1] == pytest.approx(c[3, 3], rel=1e-3)  # Cauchy: pair forces, no pressure, inversion at every atom


def test_silicon_has_the_published_constants(silicon):
    potential, atoms = silicon
    c = stiffness(atoms, potential, **STEPS)
    assert [c[0, 0], c[0, 1], c[3, 3]] == pytest.approx([142.5, 75.4, 69.0], abs=0.3)
    assert energy_stiffness(atoms, potential, [0, 0, 0, 1, 0, 0]) == pytest.approx(118.8, abs=0.5)


def test_linear_algebra_agrees_with_a_relaxation_of_the_ions(silicon):
    potential, atoms = silicon
    stresses = []
    for size in (-0.002, 0.002):
        strained = atoms.copy()
        strained.set_cell(atoms.cell.array @ (np.eye(3) + size * strain_tensor(np.eye(6)[3])), scale_atoms=True)
        strained.calc = potential.calculator
        BFGS(strained, logfile=None).run(fmax=1e-5, steps=200)
        stresses.append(strained.get_stress()[3])
    expected = (stresses[1] - stresses[0]) / 0.004 / GPa
    assert stiffness(atoms, potential, **STEPS)[3, 3] == pytest.approx(expected, rel=2e-3)


def test_only_the_calculations_that_symmetry_needs(silicon):
    potential, atoms = silicon

    class Counting(Potential):
        asked = 0

        def evaluate(self, cells):
            type(self).asked += len(cells)
            return super().evaluate(cells)

    stiffness(atoms, Counting("", "", potential.calculator), **STEPS)
    assert Counting.asked == 4  # xx twice; yz and its one free displacement once, their reverse being equivalent


def test_the_choice_of_cell_turns_nothing_but_axes(silicon):
    potential, atoms = silicon
    c = stiffness(atoms, potential, **STEPS)
    conventional = bulk("Si", "diamond", np.cbrt(4 * atoms.get_volume()), cubic=True)
    rng = np.random.default_rng(0)
    shuffled = conventional[rng.permutation(len(conventional))]
    assert np.allclose(stiffness(shuffled, potential, **STEPS), c, atol=0.1)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ turn.T, scale_atoms=True)
    m = stress_rotation(turn)
    assert np.allclose(stiffness(turned, potential, **STEPS), m @ c @ m.T, atol=0.3)


def test_low_symmetry_gives_the_same_stiffness_without_knowing_the_symmetry(silicon):
    potential, atoms = silicon
    blind = atoms.copy()
    blind.positions[1] += [0.0, 0.0, 1e-4]  # breaks every symmetry but a few, moves nothing that matters
    c = stiffness(blind, potential, strain=0.002, displacement=0.005, symprec=1e-6)
    assert np.allclose(c, stiffness(atoms, potential, **STEPS), atol=0.6)


def test_symmetry_says_where_ions_can_move(silicon):
    potential, atoms = silicon
    assert elastic_constants(atoms, potential, **STEPS).ions_fixed is False
    copper = bulk("Cu", "fcc", 3.6)
    assert elastic_constants(copper, Potential("EMT", "", toy.copper()), **STEPS).ions_fixed is True


def test_an_unstable_lattice_is_named():
    potential = Potential("LJ", "", toy.argon())
    simple = relaxed(bulk("Ar", "sc", 3.6), potential)
    with pytest.raises(BadElasticity, match="mechanically unstable"):
        isotropic_moduli(stiffness(simple, potential, **STEPS))


def test_symmetry_permutes_atoms():
    atoms = bulk("NaCl", "rocksalt", 5.64, cubic=True)
    symmetry = Symmetry.of(atoms, 1e-3)
    assert len(symmetry.rotations) == 192
    for image in symmetry.images:
        assert sorted(image) == list(range(8))
        assert (atoms.numbers[image] == atoms.numbers).all()
    assert len(symmetry.free_displacements(np.arange(192))) == 0
