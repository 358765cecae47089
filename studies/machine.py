"""The speed of the machine a study runs on, as a scale for other machines."""

from __future__ import annotations

from statistics import median
from time import perf_counter

import torch

N_REPEATS = 15


def machine_gflops() -> float:
    """GFLOP/s of a 1024x1024 float32 matrix product on PyTorch's threads, median of 15."""
    a = torch.randn(1024, 1024)
    times = []
    for _ in range(N_REPEATS):
        start = perf_counter()
        a @ a
        times.append(perf_counter() - start)
    return 2 * 1024**3 / median(times) / 1e9
