"""The authors' own scan beside ours, as aggregates: their values carry no licence and are not passed on.

The rows of the scan that the authors published are shifted against their ids; the research table has them realigned.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from scipy.stats import spearmanr

PUBLISHED = {"L96": "Dataset1", "HH143": "Dataset2", "MIX": "MIX"}
"""Our names of the training sets, and the names in the columns of the authors' scan."""


def beside_published(kappa: Mapping[str, float], table: Path, limit_w_mk: float, n_lowest: int) -> dict[str, Any]:
    """How our values compare with the authors' on the crystals that both have.

    Args:
        kappa: Ours by id, W/(m K).
        table: The authors' scan.
        limit_w_mk: Below which a crystal is called low.
        n_lowest: Number of lowest crystals that are compared.

    Returns:
        By training set of the authors' model.
    """
    rows = [row for row in pq.read_table(table).to_pylist() if row["id"] in kappa]
    ours = np.array([kappa[row["id"]] for row in rows])
    lowest = set(np.argsort(ours)[:n_lowest].tolist())
    found = {}
    for name, of in PUBLISHED.items():
        theirs = np.array([row[f"pred_{of}_mean"] for row in rows])
        found[name] = {
            "n": len(rows),
            "median_w_mk": [float(np.median(values)) for values in (theirs, ours)],
            "n_below": [int((values < limit_w_mk).sum()) for values in (theirs, ours)],
            "lowest_in_common": len(lowest & set(np.argsort(theirs)[:n_lowest].tolist())),
            "spearman": float(spearmanr(theirs, ours).statistic),
        }
    return found
