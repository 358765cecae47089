from __future__ import annotations

import numpy as np
import pytest

from studies.phonons.verify_references import bias


def test_a_crystal_without_a_value_counts_as_zero_on_the_public_board_only():
    found = bias([1.0, 5.0, None], [2.0, 10.0, 3.0])
    assert (found["n"], found["n_answered"]) == (3, 2)
    assert found["ratio"] == found["median_ratio"] == pytest.approx(0.5)
    assert found["srd"] == pytest.approx(-2 / 3)
    assert found["srd_with_failures"] == pytest.approx((-4 / 3 - 2) / 3)
    assert found["ln_sd"] == pytest.approx(0.0)
    assert bias([2.0, 8.0], [1.0, 1.0])["ratio"] == pytest.approx(np.sqrt(16))
