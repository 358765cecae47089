from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from kappatune.physics.elastic import (
    BadElasticity,
    fit_stiffness,
    invariant_basis,
    isotropic_moduli,
    poisson_ratio,
    strain_patterns,
    strain_tensor,
    stress_rotation,
)


def turn(axis: int, angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    i, j = [k for k in range(3) if k != axis]
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix


def group(*generators: np.ndarray) -> np.ndarray:
    """All products of some rotations."""
    known = [np.eye(3)]
    while True:
        new = [g @ h for g in generators for h in known]
        fresh = [m for m in new if not any(np.allclose(m, k, atol=1e-9) for k in known)]
        if not fresh:
            return np.array(known)
        known.append(fresh[0])


CUBIC = np.array([np.diag(s)[list(p)] for p in permutations(range(3)) for s in product((1.0, -1.0), repeat=3)])
HEXAGONAL = group(turn(2, np.pi / 3), turn(0, np.pi))
TRIGONAL = group(turn(2, 2 * np.pi / 3), turn(0, np.pi))
TETRAGONAL = group(turn(2, np.pi / 2), turn(0, np.pi))
ORTHORHOMBIC = group(turn(2, np.pi), turn(0, np.pi))
MONOCLINIC = group(turn(1, np.pi))


@pytest.mark.parametrize(
    ("rotations", "n_constants", "n_strains"),
    [
        (CUBIC, 3, 2),
        (HEXAGONAL, 5, 3),
        (TRIGONAL, 6, 3),
        (TETRAGONAL, 6, 4),
        (ORTHORHOMBIC, 9, 6),
        (MONOCLINIC, 13, 6),
        (np.eye(3)[None], 21, 6),
    ],
)
def test_constants_and_strains_by_crystal_system(rotations, n_constants, n_strains):
    basis = invariant_basis(rotations)
    assert len(basis) == n_constants
    assert len(strain_patterns(basis)) == n_strains
    for matrix in basis:
        for rotation in rotations:
            m = stress_rotation(rotation)
            assert np.allclose(m @ matrix @ m.T, matrix, atol=1e-10)


def test_the_fewest_strains_give_back_the_whole_stiffness():
    rng = np.random.default_rng(0)
    for rotations in (CUBIC, HEXAGONAL, TRIGONAL, TETRAGONAL, np.eye(3)[None]):
        basis = invariant_basis(rotations)
        stiffness = np.tensordot(rng.normal(size=len(basis)), basis, axes=1)
        patterns = strain_patterns(basis)
        assert np.allclose(fit_stiffness(basis, patterns, stiffness[:, patterns].T), stiffness)


def test_rotation_of_stress_and_engineering_shear():
    rng = np.random.default_rng(1)
    voigt = rng.normal(size=6)
    rotation = turn(0, 0.3) @ turn(2, 1.1)
    stress = strain_tensor(voigt * np.array([1, 1, 1, 2, 2, 2]))
    turned = rotation @ stress @ rotation.T
    expected = [turned[0, 0], turned[1, 1], turned[2, 2], turned[1, 2], turned[0, 2], turned[0, 1]]
    assert np.allclose(stress_rotation(rotation) @ voigt, expected)
    assert strain_tensor(np.eye(6)[3])[1, 2] == 0.5


def cubic(c11: float, c12: float, c44: float) -> np.ndarray:
    stiffness = np.zeros((6, 6))
    stiffness[:3, :3] = c12
    stiffness[range(3), range(3)] = c11
    stiffness[range(3, 6), range(3, 6)] = c44
    return stiffness


def test_averages_of_silicon_by_hand():
    moduli = isotropic_moduli(cubic(165.7, 63.9, 79.6))
    assert moduli.bulk_voigt == pytest.approx((165.7 + 2 * 63.9) / 3) == pytest.approx(moduli.bulk_reuss)
    assert moduli.shear_voigt == pytest.approx((165.7 - 63.9 + 3 * 79.6) / 5)
    assert moduli.shear_reuss == pytest.approx(5 * 101.8 * 79.6 / (4 * 79.6 + 3 * 101.8))
    assert moduli.poisson_ratio == pytest.approx(poisson_ratio(moduli.bulk, moduli.shear))


def test_an_isotropic_solid_has_equal_bounds_in_any_axes():
    stiffness = cubic(200.0, 80.0, 60.0)
    m = stress_rotation(turn(1, 0.7) @ turn(2, 0.2))
    assert np.allclose(m @ stiffness @ m.T, stiffness)
    moduli = isotropic_moduli(stiffness)
    assert moduli.shear_voigt == pytest.approx(60.0) == pytest.approx(moduli.shear_reuss)


def test_averages_do_not_depend_on_axes_and_keep_their_order():
    rng = np.random.default_rng(2)
    a = rng.normal(size=(6, 6))
    stiffness = 50.0 * (a @ a.T + 2.0 * np.eye(6))
    m = stress_rotation(turn(0, 0.4) @ turn(1, 1.3))
    one, other = isotropic_moduli(stiffness), isotropic_moduli(m @ stiffness @ m.T)
    assert one.bulk == pytest.approx(other.bulk) and one.shear == pytest.approx(other.shear)
    assert one.bulk_reuss <= one.bulk_voigt and one.shear_reuss <= one.shear_voigt


@pytest.mark.parametrize("stiffness", [cubic(100.0, 120.0, 50.0), cubic(100.0, 50.0, -1.0), cubic(100.0, -60.0, 50.0)])
def test_born_unstable(stiffness):
    with pytest.raises(BadElasticity, match="mechanically unstable"):
        isotropic_moduli(stiffness)


def test_not_a_number():
    with pytest.raises(BadElasticity, match="not a finite number"):
        isotropic_moduli(np.full((6, 6), np.nan))
