from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from ase.build import bulk

from kappatune.structures import Crystal
from kappatune.verification import VerifySettings
from kappatune.verification.force_constants import set_second_order, set_third_order
from kappatune.verification.forces import ForceCache
from kappatune.verification.harmonic import compute_dispersion, harmonic_crystal, stable_lowest_frequency
from kappatune.verification.mesh import meshes
from kappatune.verification.outcomes import ImaginaryModes
from kappatune.verification.prepare import prepare
from kappatune.verification.standard_cell import standardise
from tests.verification.small import ALLOY, COPPER, SETTINGS, potential


def phonons_of(crystal: Crystal, tmp_path, *, third: bool = True, settings: VerifySettings = SETTINGS):
    prepared = prepare(standardise(crystal, 1e-3), settings)
    cache = ForceCache(tmp_path)
    set_second_order(prepared.phono3py, cache.forces(prepared.single_cells, potential(), lambda: None))
    if third:
        forces = cache.forces(prepared.displaced_cells, potential(), lambda: None)
        set_third_order(prepared.phono3py, forces)
        return prepared.phono3py, forces
    return prepared.phono3py, None


@pytest.mark.parametrize("crystal", [COPPER, ALLOY], ids=["Cu", "Cu3Au"])
def test_third_order_is_that_of_phono3py_and_sums_to_zero(crystal, tmp_path):
    phonons, forces = phonons_of(crystal, tmp_path)
    ours, harmonic = phonons.fc3.copy(), phonons.fc2.copy()
    assert None in phonons.supercells_with_displacements
    wanted = np.array([cell is not None for cell in phonons.supercells_with_displacements])
    phonons.forces = np.where(wanted[:, None, None], forces[1:] - forces[0], 0.0)
    phonons.produce_fc3()
    phonons.symmetrize_fc3()
    np.testing.assert_allclose(ours, phonons.fc3, atol=1e-8 * np.abs(ours).max())
    assert np.abs(ours).max() > 1.0
    assert np.abs(ours.sum(axis=1)).max() < 1e-3 * np.abs(ours).max()
    assert np.abs(harmonic.sum(axis=1)).max() < 1e-10 * np.abs(harmonic).max()


def test_acoustic_modes_are_not_imaginary_and_the_density_of_states_counts_all_modes(tmp_path):
    phonons, _ = phonons_of(ALLOY, tmp_path, third=False)
    crystal = harmonic_crystal(phonons)
    assert stable_lowest_frequency(crystal, 15.0, 0.05) == pytest.approx(0.0, abs=1e-4)
    curves = compute_dispersion(crystal, 20.0)
    assert np.trapezoid(curves.dos, curves.dos_frequencies) == pytest.approx(12.0, rel=0.03)
    assert len(curves.labels) == len(curves.label_distances) and curves.labels[0] == "G"
    assert np.all(np.diff(curves.distance) >= 0) and curves.frequencies.shape == (len(curves.distance), 12)


def test_imaginary_modes_are_looked_for_on_the_mesh_of_kappa(tmp_path):
    phonons, _ = phonons_of(ALLOY, tmp_path, third=False)
    crystal = harmonic_crystal(phonons)
    stable_lowest_frequency(crystal, 8.0, 0.05)
    _, mesh = islice(meshes(phonons, 8.0), 2)
    assert crystal.mesh.mesh_numbers.tolist() == mesh.numbers.tolist() == [4, 4, 4]


def test_an_unstable_crystal_is_stopped_at_the_gate(tmp_path):
    phonons, _ = phonons_of(Crystal.from_ase(bulk("Cu", "bcc", 2.87)), tmp_path, third=False)
    with pytest.raises(ImaginaryModes, match=r"imaginary modes: \d+ of \d+, the lowest at -\d"):
        stable_lowest_frequency(harmonic_crystal(phonons), 15.0, 0.05)
