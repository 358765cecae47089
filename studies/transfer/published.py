"""Errors published by Klochko et al., arXiv 2411.18259, in the paper and in its released files."""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """MAPE over the paper's nine runs.

    Attributes:
        mean: Mean in the published table.
        std: Standard deviation there.
        files: Mean over the released per-run files, where it differs.
    """

    mean: float
    std: float
    files: float | None = None


TESTS = ("L96", "HH143", "MIX", "AFLOW")
"""The paper's sets, in its order."""

_TABLE = {
    ("step-1", "L96"): ((0.82, 0.21), (2.53, 2.17), (1.74, 1.26), (2.16, 1.26)),
    ("step-1", "HH143"): ((0.51, 0.09), (0.42, 0.07), (0.43, 0.05), (0.48, 0.05)),
    ("step-1", "MIX"): ((0.69, 0.15), (0.77, 0.15), (0.83, 0.07), (0.97, 0.27)),
    ("step-1", "AFLOW"): ((0.55, 0.34), (1.18, 0.27), (0.93, 0.27), (0.62, 0.33)),
    ("step-2", "L96"): ((0.76, 0.29), (3.09, 2.40), (2.07, 1.40), (2.32, 1.94)),
    ("step-2", "HH143"): ((0.55, 0.14), (0.42, 0.06), (0.44, 0.04), (0.52, 0.10)),
    ("step-2", "MIX"): ((0.66, 0.14), (0.75, 0.16), (0.81, 0.11), (1.10, 0.47)),
    ("step-2", "AFLOW"): ((0.44, 0.14), (1.27, 0.48), (0.94, 0.30), (0.50, 0.03)),
    ("step-3", "L96"): ((0.34, 0.15), (1.26, 0.44), (0.87, 0.27), (0.57, 0.10)),
    ("step-3", "HH143"): ((0.55, 0.10), (0.78, 0.20), (0.63, 0.18), (0.62, 0.07)),
    ("step-3", "MIX"): ((0.37, 0.14), (0.78, 0.31), (0.69, 0.19), (0.59, 0.06)),
}
_FILES = {
    "L96": {"step-1": 0.54, "step-2": 0.51, "step-3": 0.29},
    "HH143": {"step-1": 0.38, "step-2": 0.37, "step-3": 0.69},
    "MIX": {"step-1": 0.74, "step-2": 0.71, "step-3": 0.62},
}


def published(step: str, train: str, test: str) -> Published | None:
    """The published MAPE of a step trained on one set and tested on another, if there is one."""
    row = _TABLE.get((step, train))
    if row is None:
        return None
    return Published(*row[TESTS.index(test)], files=_FILES[train][step] if train == test and train in _FILES else None)
