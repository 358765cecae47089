"""Meshes of q-points: along each direction there are points on which heat can travel, and each mesh tests the last."""

from __future__ import annotations

from itertools import islice, pairwise

import numpy as np
import pytest

from kappatune.structures import Crystal
from kappatune.verification import VerifySettings
from kappatune.verification.mesh import FEWEST_POINTS, meshes
from kappatune.verification.prepare import prepare
from kappatune.verification.standard_cell import standardise
from kappatune.verification.transport import relative_change
from tests.verification.small import SETTINGS, verifier

LAYERED = Crystal(np.diag([2.8, 2.8, 3.7]), np.array([79, 29]), np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]), id="aucu")
"""CuAu of type L1_0: tetragonal."""


def cell(lengths, numbers, positions) -> Crystal:
    return Crystal(np.diag(lengths), np.array(numbers), np.array(positions), id="x")


BODY_CENTRED = cell([4.0, 4.0, 14.0], [11, 11], [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]])
LONG = cell([3.9, 3.9, 8.93], [11, 17], [[0.0, 0.0, 0.0], [0.5, 0.5, 0.4]])
ORTHORHOMBIC = cell([4.0, 7.0, 13.0], [11, 17], [[0.0, 0.0, 0.0], [0.5, 0.4, 0.3]])
FACE_CENTRED = cell([5.0, 6.0, 12.0], [11] * 4, [[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
CUBIC = cell([5.87] * 3, [55, 17], [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]])


def phono3py_of(crystal: Crystal):
    settings = VerifySettings.of("quick")
    return prepare(standardise(crystal, settings.symprec), settings).phono3py


@pytest.mark.parametrize("crystal", [BODY_CENTRED, LONG, ORTHORHOMBIC, FACE_CENTRED, CUBIC])
@pytest.mark.parametrize("length", [20.0, 30.0])
def test_each_mesh_has_points_that_move_and_is_finer_than_the_one_before(crystal, length):
    phonons = phono3py_of(crystal)
    found = list(islice(meshes(phonons, length), 4))
    for mesh in found:
        assert (mesh.numbers >= FEWEST_POINTS).all()
        phonons.mesh_numbers = mesh.grid  # refuses a mesh that has not the crystal's symmetry
        assert np.prod(phonons.mesh_numbers) == mesh.n_points
    for coarse, fine in pairwise(found):
        assert fine.n_points > coarse.n_points
        assert (fine.vectors != coarse.vectors).any() or (fine.numbers > coarse.numbers).all()


def test_short_vectors_have_the_points_of_their_length():
    (_, mesh) = islice(meshes(phono3py_of(LONG), 20.0), 2)
    assert mesh.numbers.tolist() == [5, 5, 4]
    assert mesh.grid.tolist() == [5, 5, 4]


def test_a_mesh_along_the_conventional_cell_has_its_points():
    (_, mesh) = islice(meshes(phono3py_of(BODY_CENTRED), 20.0), 2)
    assert sorted(mesh.numbers.tolist()) == [4, 5, 5]
    assert mesh.grid.shape == (3, 3) and mesh.n_points == 2 * 4 * 5 * 5


def test_heat_flows_along_a_vector_that_a_short_mesh_length_hardly_resolves(tmp_path):
    settings = SETTINGS.replace(mesh_length=8.0, imaginary_tolerance_thz=0.3)  # interpolation dips to -0.17 THz
    row = verifier(tmp_path, settings).verify(LAYERED)
    assert row.outcome == "answered", row.reason
    xx, _, zz = row.kappa_tensor_w_mk[settings.index_of_300_k()][:3]
    assert 0.2 < zz / xx < 5


def test_a_change_in_one_direction_counts_though_the_mean_hardly_changes():
    before, after = np.array([5.0, 5.0, 0.0, 0, 0, 0]), np.array([4.7, 4.7, 1.0, 0, 0, 0])
    assert relative_change(before, after) == pytest.approx(1.0 / 4.7)
    chain, other = np.array([10.0, 1, 1, 0, 0, 0]), np.array([11.5, 2.2, 2.2, 0, 0, 0])
    assert relative_change(chain, other) == pytest.approx(1.3 / 5.3)
    assert relative_change(after, after) == 0.0
