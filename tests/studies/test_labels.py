from __future__ import annotations

import numpy as np
import pytest

from studies.store import load_result
from studies.transfer.goals import GOALS, label_noise
from studies.transfer.labels import agreement, families_tested


def test_an_offset_is_found_and_taken_off():
    labels = np.array([1.0, 10.0, 100.0, 1000.0])
    found = agreement(labels, labels / 2)
    assert found["mean_abs_log10"] == pytest.approx(np.log10(2)) and found["median_log10"] == pytest.approx(
        -np.log10(2)
    )
    assert found["mean_abs_log10_after_offset"] == pytest.approx(0.0)
    assert (found["mape"], found["mape_of_labels"]) == pytest.approx((0.5, 1.0))


def test_rows_whose_formula_is_trained_on_are_not_tested():
    unlike = [{"formula": f"A{k}", "nominal_prototype": "rocksalt"} for k in range(20)]
    found = families_tested(unlike)
    assert found["unseen"] == found["in_all"] == found["runs"] * 4 and found["prototypes"] == {"rocksalt": 36}
    same = [{"formula": "A", "nominal_prototype": "rocksalt"} for _ in range(20)]
    assert families_tested(same)["unseen"] == 0


@pytest.mark.parametrize("goal", [goal for goal in GOALS if goal.limit is not None and goal.metric == "mean_abs_log10"])
def test_no_goal_asks_for_less_than_the_noise_of_the_labels(goal):
    noise = label_noise(goal, load_result("labels")["agreement"])
    assert noise is not None
    assert goal.limit > max(float(word.split()[-1]) for word in noise.split(", "))
