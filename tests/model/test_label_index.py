from __future__ import annotations

import csv

from kappatune import KappaModel
from kappatune.demo import VALUES
from kappatune.model.label_index import LabelIndex
from tests.builders import zincblende


def test_measured_neighbours_are_called_experiment_though_their_rung_is_dft():
    model = KappaModel.load("fast")
    (details,) = model.predict_with_details([zincblende(14, 14, 5.431)], "dft")
    nearest = LabelIndex.read(model).nearest(details.embedding)
    with VALUES.open(newline="", encoding="utf-8") as lines:
        cited = {row["id"]: row["source"] for row in csv.DictReader(lines)}
    assert nearest[0]["id"] == "Si" and nearest[0]["kappa_w_mk"] == 156
    assert [label["fidelity"] for label in nearest] == ["experiment"] * 3
    assert [label["source"] for label in nearest] == [cited[label["id"]] for label in nearest]
