"""What a table's numbers are, judged by what a model expects of its crystals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kappatune.training.label_units import OTHER_QUANTITIES, UNITS, find_shift, seem_logarithms

SEEDS = st.integers(0, 10_000)


def values(seed: int, n: int, scatter: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Conductivities above 1.2 W/(m K), and what a model with some scatter expects of them."""
    rng = np.random.default_rng(seed)
    kappa = np.exp(rng.uniform(math.log(1.2), math.log(300), n))
    return kappa, kappa * np.exp(rng.normal(scale=scatter, size=n))


@settings(deadline=None)
@given(seed=SEEDS, n=st.integers(3, 60), factor=st.floats(0.1, 10))
def test_right_values_and_values_shifted_by_less_than_30_are_not_grave(seed, n, factor):
    kappa, expected = values(seed, n)
    shift = find_shift(factor * kappa, expected)
    assert shift is None or (not shift.is_grave and shift.factor == pytest.approx(factor, rel=1.0))


@settings(deadline=None)
@given(seed=SEEDS, n=st.integers(3, 60), unit=st.sampled_from(UNITS))
def test_another_unit_is_grave_and_named(seed, n, unit):
    kappa, expected = values(seed, n, scatter=0.1)
    per_w_mk = 1 / math.exp(unit.ln_kappa(np.ones(1))[0])
    shift = find_shift(kappa * per_w_mk, expected)
    assert shift is not None and shift.is_grave and shift.part is None
    assert shift.meaning is unit
    assert shift.factor == pytest.approx(per_w_mk, rel=0.5)


@settings(deadline=None)
@given(seed=SEEDS, n=st.integers(40, 80))
@pytest.mark.parametrize(
    ("meaning", "to_table"),
    [*zip(OTHER_QUANTITIES, [np.log10, np.log, lambda k: 1 / k, lambda k: 100 / k], strict=True)],
    ids=[meaning.what for meaning in OTHER_QUANTITIES],
)
def test_logarithms_and_resistivities_are_grave_and_named(meaning, to_table, seed, n):
    kappa, expected = values(seed, n, scatter=0.2)
    shift = find_shift(to_table(kappa), expected)
    assert shift is not None and shift.is_grave and shift.other_quantity
    assert shift.meaning is meaning


@settings(deadline=None)
@given(seed=SEEDS, n=st.integers(10, 60), share=st.floats(0.15, 0.35))
def test_a_part_in_another_unit_is_grave_and_its_rows_are_named(seed, n, share):
    kappa, expected = values(seed, n, scatter=0.2)
    part = [*range(max(3, math.ceil(share * n)))]
    kappa[part] *= 1000
    shift = find_shift(kappa, expected)
    assert shift is not None and shift.is_grave
    assert shift.part == part
    assert shift.meaning is UNITS[0]


def test_one_or_two_values_say_nothing_of_a_unit():
    assert find_shift(np.array([5e4]), np.array([50.0])) is None
    assert find_shift(np.array([5e4, 7e3]), np.array([50.0, 7.0])) is None
    assert find_shift(np.array([5e4, 7e3, 2e3]), np.array([50.0, 7.0, 2.0])) is not None
    assert find_shift(np.array([5e4, *[7.0] * 30]), np.array([50.0, *[7.0] * 30])) is None


def test_a_factor_that_no_unit_has_is_grave_without_a_name():
    kappa, expected = values(1, 20)
    shift = find_shift(kappa * 60, expected)
    assert shift is not None and shift.is_grave
    assert shift.meaning is None


def test_values_at_zero_and_below_show_logarithms():
    logarithms = np.array([0.3, 1.2, 1.8, 2.1])
    assert seem_logarithms([-0.3, -0.1], logarithms)
    assert not seem_logarithms([], logarithms)
    assert not seem_logarithms([-1.0, -1.0, -1.0], logarithms), "one number for all missing values"
    assert not seem_logarithms([-0.3, 0.0], np.array([57.0, 8.0, 3.0])), "57 is the logarithm of no conductivity"
    assert not seem_logarithms([-0.3, -0.1], np.full(60, 1.5)), "two of 62 are typing errors"
