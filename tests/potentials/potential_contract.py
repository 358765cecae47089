"""The promises that every potential keeps. A test class for a potential inherits `PotentialContract`.

It gives a fixture `potential` and, where silicon is not the right crystal, another `cell`; a potential in single
precision allows for its noise in `step` and the tolerances.
"""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress

from kappatune.potentials import EvaluationError, Potential


class PotentialContract:
    unknown_element = 118
    """An element that the potential cannot evaluate."""

    step = 1e-4
    """Of numerical derivatives: Å, or strain."""

    energy_tolerance = 1e-8
    """eV per atom."""

    force_tolerance = 1e-5
    """eV/Å."""

    stress_tolerance = 1e-6
    """eV/Å^3."""

    @pytest.fixture
    def potential(self) -> Potential:
        raise NotImplementedError

    @pytest.fixture
    def cell(self) -> Atoms:
        """A cell without symmetry, near an equilibrium."""
        return distorted(bulk("Si", "diamond", 5.43))

    def test_energies_are_extensive(self, potential, cell):
        doubled = make_supercell(cell, np.diag([2, 1, 1]))
        one, two = potential.energies([cell, doubled])
        assert two == pytest.approx(2 * one, abs=self.energy_tolerance * len(doubled))

    def test_shapes(self, potential, cell):
        (found,) = potential.evaluate([cell])
        assert found.forces.shape == (len(cell), 3) and found.stress.shape == (6,)
        assert potential.energies([cell]).shape == (1,)

    def test_forces_are_the_negative_gradient_of_the_energy(self, potential, cell):
        direction = np.random.default_rng(2).normal(size=(len(cell), 3))
        direction /= np.linalg.norm(direction)
        (here,) = potential.evaluate([cell])
        ahead, behind = cell.copy(), cell.copy()
        ahead.positions += self.step * direction
        behind.positions -= self.step * direction
        up, down = potential.energies([ahead, behind])
        assert np.abs(here.forces).max() > 10 * self.force_tolerance, "the cell is in equilibrium and proves nothing"
        slope = (up - down) / (2 * self.step)
        assert slope == pytest.approx(-float((here.forces * direction).sum()), abs=self.force_tolerance)

    def test_stress_is_the_derivative_of_the_energy_by_strain(self, potential, cell):
        strain = np.random.default_rng(3).normal(size=(3, 3))
        strain = (strain + strain.T) / np.linalg.norm(strain + strain.T)
        (here,) = potential.evaluate([cell])
        strained = []
        for size in (self.step, -self.step):
            other = cell.copy()
            other.set_cell(cell.cell.array @ (np.eye(3) + size * strain), scale_atoms=True)
            strained.append(other)
        up, down = potential.energies(strained)
        slope = (up - down) / (2 * self.step) / cell.get_volume()
        expected = float((voigt_6_to_full_3x3_stress(here.stress) * strain).sum())
        assert abs(expected) > 10 * self.stress_tolerance, "the cell is in equilibrium and proves nothing"
        assert slope == pytest.approx(expected, abs=self.stress_tolerance)

    def test_a_rotation_turns_forces_and_stress_and_nothing_else(self, potential, cell):
        turn, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))
        rotated = cell.copy()
        rotated.set_cell(cell.cell.array @ turn.T, scale_atoms=True)
        before, after = potential.evaluate([cell, rotated])
        stress = full_3x3_to_voigt_6_stress(turn @ voigt_6_to_full_3x3_stress(before.stress) @ turn.T)
        self.assert_same(after, before.energy, before.forces @ turn.T, stress)

    def test_the_order_of_the_atoms_does_not_matter(self, potential, cell):
        large = make_supercell(cell, np.diag([1, 2, 1]))
        order = np.random.default_rng(5).permutation(len(large))
        before, after = potential.evaluate([large, large[order]])
        self.assert_same(after, before.energy, before.forces[order], before.stress)

    def test_a_translation_changes_nothing(self, potential, cell):
        moved = cell.copy()
        moved.set_scaled_positions(cell.get_scaled_positions(wrap=False) + np.array([0.37, -1.21, 5.5]))
        before, after = potential.evaluate([cell, moved])
        self.assert_same(after, before.energy, before.forces, before.stress)

    def test_a_batch_gives_the_same_as_one_cell_at_a_time(self, potential, cell):
        cells = [cell, make_supercell(cell, np.diag([2, 1, 1])), distorted(cell, seed=7)] * 4
        together = potential.evaluate(cells)
        for other, found in zip(cells, together, strict=True):
            (alone,) = potential.evaluate([other])
            self.assert_same(found, alone.energy, alone.forces, alone.stress)
        energies = potential.energies(cells)
        for other, energy, found in zip(cells, energies, together, strict=True):
            assert energy == pytest.approx(found.energy, abs=self.energy_tolerance * len(other))

    def test_the_calculator_that_relaxes_agrees(self, potential, cell):
        (found,) = potential.evaluate([cell])
        (alone,) = Potential("alone", "", potential.calculator).evaluate([cell])
        self.assert_same(found, alone.energy, alone.forces, alone.stress)

    def test_evaluating_leaves_the_cells_as_they_are(self, potential, cell):
        before = cell.copy()
        potential.evaluate([cell])
        assert cell == before and cell.calc is None

    def test_an_unknown_element_is_refused(self, potential, cell):
        foreign = cell.copy()
        foreign.numbers = np.full(len(cell), self.unknown_element)
        with pytest.raises(EvaluationError):
            potential.check_elements(foreign.numbers)
            potential.evaluate([foreign])

    def test_it_says_what_it_is(self, potential):
        assert potential.name and potential.version and str(potential).startswith(potential.name)

    def assert_same(self, found, energy, forces, stress) -> None:
        assert found.energy == pytest.approx(energy, abs=self.energy_tolerance * len(forces))
        assert np.allclose(found.forces, forces, rtol=0, atol=self.force_tolerance)
        assert np.allclose(found.stress, stress, rtol=0, atol=self.stress_tolerance)


def distorted(cell: Atoms, seed: int = 1) -> Atoms:
    """The same cell strained by about a per cent, its atoms moved by about 0.05 Å."""
    rng = np.random.default_rng(seed)
    other = cell.copy()
    other.set_cell(cell.cell.array @ (np.eye(3) + rng.normal(scale=0.01, size=(3, 3))), scale_atoms=True)
    other.positions += rng.normal(scale=0.05, size=other.positions.shape)
    return other
