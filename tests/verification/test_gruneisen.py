from __future__ import annotations

import numpy as np
import pytest

from kappatune.structures import Crystal
from kappatune.verification.gruneisen import internal_displacements, mode_gruneisen
from kappatune.verification.harmonic import harmonic_crystal, largest_displacement
from tests.verification.small import COPPER, SETTINGS
from tests.verification.test_force_constants import phonons_of

QPOINTS = np.array([[0.1, 0.2, 0.3], [0.5, 0.0, 0.0], [0.25, 0.25, 0.5]])


def test_a_crystal_whose_atoms_move_within_the_cell_is_as_in_phono3py(tmp_path):
    from phono3py.phonon3.gruneisen import Gruneisen

    z, a, c = 0.32, 3.3, 9.0
    crystal = Crystal(np.diag([a, a, c]), np.array([79, 29, 29] * 2), np.array(
        [[0, 0, 0], [0, 0, z], [0, 0, 1 - z], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5 + z], [0.5, 0.5, 0.5 - z]]
    ))  # fmt: skip
    phonons, _ = phonons_of(crystal, tmp_path)
    harmonic = harmonic_crystal(phonons)
    assert np.abs(internal_displacements(harmonic)).max() > 0.05
    theirs = Gruneisen(phonons.fc2, phonons.fc3, phonons.supercell, phonons.primitive)
    theirs.set_qpoints(QPOINTS)
    theirs.run()
    expected = np.einsum("qsii->qs", theirs.gruneisen_parameters) / 3
    stable = theirs.frequencies > 0.01
    ours = mode_gruneisen(phonons, harmonic, QPOINTS)
    assert stable.sum() > 0.6 * stable.size
    np.testing.assert_allclose(ours[stable], expected[stable], rtol=1e-6, atol=1e-6)


def test_it_is_how_frequencies_fall_with_the_volume(tmp_path):
    phonons, _ = phonons_of(COPPER, tmp_path, settings=SETTINGS.replace(pair_cutoff=5.3))
    ours = mode_gruneisen(phonons, harmonic_crystal(phonons), QPOINTS)
    logarithms = []
    for strain in (-0.003, 0.003):
        strained = Crystal((1 + strain) * COPPER.lattice, COPPER.numbers, COPPER.frac_coords)
        crystal = harmonic_crystal(phonons_of(strained, tmp_path / str(strain), third=False)[0])
        crystal.run_qpoints(QPOINTS)
        logarithms.append(np.log(crystal.qpoints.frequencies))
    numerical = -(logarithms[1] - logarithms[0]) / (3 * np.log(1.003 / 0.997))
    np.testing.assert_allclose(ours, numerical, rtol=0.25)  # third order ends within a supercell of 32 atoms
    assert ours.mean() == pytest.approx(numerical.mean(), rel=0.06)


def test_copper_moves_as_measured(tmp_path):
    phonons, _ = phonons_of(COPPER, tmp_path, third=False)
    assert largest_displacement(harmonic_crystal(phonons)) == pytest.approx(0.0070, abs=0.0025)  # B = 0.55 Å^2
