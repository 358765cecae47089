from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kappatune.settings import BadSettings
from kappatune.verification.settings import QUALITIES, VerifySettings

POSITIVE = (
    "symprec", "fmax", "displacement", "reach", "mesh_length", "mesh_tolerance", "pair_cutoff", "max_atoms",
    "max_harmonic_atoms", "max_steps", "max_forces",
)  # fmt: skip


@given(field=st.sampled_from(POSITIVE), value=st.floats(max_value=0.0) | st.just(math.nan) | st.just(math.inf))
def test_nothing_is_zero_negative_or_no_number(field, value):
    with pytest.raises(BadSettings, match=field):
        VerifySettings.of(**{field: value})


@given(st.lists(st.floats(1.0, 5000.0), max_size=5))
def test_300_k_is_always_among_the_temperatures(temperatures):
    settings = VerifySettings.of(temperatures_k=tuple(temperatures))
    assert list(settings.temperatures_k) == sorted(set(settings.temperatures_k))
    assert settings.temperatures_k[settings.index_of_300_k()] == 300.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperatures_k": (0.5,)}, "between 1 and 5000 K"),
        ({"max_atoms": 200, "max_harmonic_atoms": 100}, "must not be smaller"),
        ({"pair_cutoff": 1.0}, "shorter than any bond"),
        ({"displacement": 0.5}, "displacement"),
        ({"solution": "guess"}, "solution"),
        ({"supercell": 3}, "supercell"),
    ],
)
def test_invalid_physics_is_refused_with_a_sentence(changes, message):
    with pytest.raises(BadSettings, match=message):
        VerifySettings.of(**changes)


def test_settings_are_frozen_and_qualities_are_ordered():
    quick, standard, converged = (VerifySettings.of(quality) for quality in QUALITIES)
    assert quick.max_atoms < standard.max_atoms < converged.max_atoms
    assert quick.reach < standard.reach < converged.reach
    assert quick.mesh_length < standard.mesh_length < converged.mesh_length
    with pytest.raises(ValueError, match="frozen"):
        quick.displacement = 0.05
    with pytest.raises(BadSettings, match="there is no quality 'best'"):
        VerifySettings.of("best")
