from __future__ import annotations

import pytest

from studies.speed.speed_page import STUDIES, speed_page
from studies.speed.weights import shipped_weights
from studies.store import load_result


@pytest.mark.parametrize("timed", ["the shipped models", "models shipped before the present ones"])
def test_the_page_says_of_which_models_a_timing_is(timed):
    weights = shipped_weights()
    assert weights.keys() == {"accurate", "fast"}
    of = weights if timed == "the shipped models" else weights | {"fast": "0" * 64}
    results = {name: load_result(name) | {"weights_sha256": of} for name in STUDIES}
    assert speed_page(results, weights).count(f"GFLOP/s, {timed}.") == 4
