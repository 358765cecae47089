from __future__ import annotations

import numpy as np
import pytest

from studies.transfer.comparisons import Comparison
from studies.transfer.metrics import PairedTest, compare
from studies.transfer.multiple_tests import detectable_gain, findings, holm, strictest_ratio


def comparison(gain: float, interval: tuple[float, float], p: float) -> Comparison:
    paired = PairedTest(n_formulas=44, gain=gain, gain_interval=interval, p_value=p)
    return Comparison(
        study="paper", train="L96", test="L96", split="run", n_splits=9, first="a", second="b", paired=paired
    )


def test_holm_agrees_with_a_worked_example():
    """Four tests: 0.01 x 4, 0.04 x 3, and no p below an earlier one."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]


def test_among_many_tests_without_a_difference_hardly_any_family_shows_one():
    rng = np.random.default_rng(0)
    families = [holm(rng.random(78)).min() < 0.05 for _ in range(400)]
    uncorrected = [rng.random(78).min() < 0.05 for _ in range(400)]
    assert np.mean(families) < 0.09 and np.mean(uncorrected) > 0.9


def test_what_is_shown_follows_from_the_corrected_p():
    clear, weak = comparison(-0.2, (-0.3, -0.1), 1e-6), comparison(0.1, (0.01, 0.19), 0.03)
    found = findings([clear, *[weak] * 3])
    assert [f.shown for f in found] == ["higher error", *["no difference shown"] * 3]
    assert findings([weak])[0].shown == "lower error"
    contradicted = comparison(0.1, (-0.01, 0.2), 1e-6)
    assert findings([contradicted])[0].shown == "no difference shown"


def test_the_detectable_gain_is_shown_in_four_of_five_cases():
    rng = np.random.default_rng(1)
    names = np.array([f"A{k}" for k in range(44)])

    def trial(gain: float) -> PairedTest:
        return compare(0.3 + gain + 0.2 * rng.standard_normal(44), np.full(44, 0.3), names)

    gain = float(np.mean([detectable_gain(trial(0.0)) for _ in range(20)]))
    shown = np.mean([trial(gain).gain_interval[0] > 0 for _ in range(100)])
    assert 0.68 < shown < 0.92


def test_the_strictest_level_asks_for_more():
    assert strictest_ratio(1) == pytest.approx(1.0)
    assert strictest_ratio(78) == pytest.approx((3.4147 + 0.8416) / (1.9600 + 0.8416), rel=1e-3)
