"""Worker processes: what each does first, and a stream of rows from several of them."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import Any, TypeVar

AHEAD = 4
"""Tasks handed out per process: what bounds the memory of a stream."""

Entry = TypeVar("Entry")
Row = TypeVar("Row")


def end_with_parent() -> None:
    """Let this process end as soon as the one that started it has; it would wait for its next task for ever."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def one_thread() -> None:
    """Networks this small run fastest on one thread, and two of them starve each other on a shared machine."""
    import torch

    torch.set_num_threads(1)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def in_processes(
    entries: Iterable[Entry],
    workers: int,
    *,
    start: Callable[..., None],
    arguments: tuple[Any, ...],
    answer: Callable[[Entry], Row],
    died: Callable[[Entry], Row],
) -> Iterator[Row]:
    """One row per entry, in order, whatever becomes of a process.

    Args:
        entries: What is to be answered; read a bounded number ahead.
        workers: Processes.
        start: What each does first, a function of a module.
        arguments: Of `start`.
        answer: Makes the row, in a process; a function of a module.
        died: Makes the row of an entry that ends a process of its own too.
    """
    waiting: deque[tuple[Entry, Future[Row]]] = deque()
    source = iter(entries)

    def pool(n: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(n, get_context("spawn"), initializer=start, initargs=arguments)

    def alone(entry: Entry) -> Row:
        with pool(1) as single:
            try:
                return single.submit(answer, entry).result()
            except BrokenProcessPool:
                return died(entry)

    crew = pool(workers)
    try:
        while True:
            while len(waiting) < AHEAD * workers and (entry := next(source, None)) is not None:
                waiting.append((entry, crew.submit(answer, entry)))
            if not waiting:
                return
            entry, future = waiting.popleft()
            try:
                yield future.result()
            except BrokenProcessPool:
                crew.shutdown(cancel_futures=True)
                yield alone(entry)
                crew = pool(workers)
                waiting = deque((other, crew.submit(answer, other)) for other, _ in waiting)
    finally:
        crew.shutdown(cancel_futures=True)
