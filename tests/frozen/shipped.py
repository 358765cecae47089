"""What the shipped models predict. `python -m tests.frozen.shipped` stores it when new models are shipped."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from kappatune import KappaModel
from kappatune.structures import Crystal

MODELS = ("accurate", "fast")
ASKED = ("agl 300", "dft 300", "dft 800", "experiment 300")
"""Rung and temperature in K."""

SHIPPED_PREDICTIONS = Path(__file__).parent / "shipped_predictions.json.gz"


def predictions(crystals: list[Crystal]) -> dict:
    """Rows of each model and question."""
    rows: dict[str, dict[str, list[dict]]] = {}
    for name in MODELS:
        model = KappaModel.load(name)
        for key in ASKED:
            rung, temperature = key.split()
            answers = model.predict(crystals, rung, float(temperature))
            rows.setdefault(name, {})[key] = [answer.model_dump(mode="json") for answer in answers]
    return rows


if __name__ == "__main__":
    from tests.frozen.test_frozen import V0_1_0, crystals_of, stored

    found = predictions(crystals_of(stored(V0_1_0 / "predictions.json.gz")))
    with gzip.GzipFile(SHIPPED_PREDICTIONS, "wb", mtime=0) as file:
        file.write(json.dumps({"rows": found}).encode())
