"""Worker processes that end before their time."""

from __future__ import annotations

import os
import time

from kappatune.processes import map_in_processes, use_one_thread


def double(number: int) -> int:
    if number == 3:
        os._exit(1)
    return 2 * number


def test_a_worker_that_dies_while_nobody_waits_for_it_costs_one_result():
    found = []
    for result in map_in_processes(
        double, range(12), 2, initializer=use_one_thread, initargs=(), on_crash=lambda number: -number
    ):
        found.append(result)
        if len(found) < 4:
            time.sleep(0.5)  # the pool breaks meanwhile, before the next number is submitted
    assert found == [0, 2, 4, -3, *range(8, 24, 2)]
