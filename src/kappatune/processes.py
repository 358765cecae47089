"""Worker processes: how each is set up, and a map over many items that survives a crash of one of them."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import Any, TypeVar

TASKS_PER_PROCESS = 4
"""Tasks submitted ahead per process: what bounds the memory of a stream."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class WorkerProcesses(ProcessPoolExecutor):
    """Processes whose end is seen in results alone: a call that cannot be submitted any more is one that failed."""

    def submit(self, function: Callable[..., Result], /, *arguments: Any, **named: Any) -> Future[Result]:
        """Submit a call; its result raises `BrokenProcessPool` if a process has ended or cannot start."""
        try:
            return super().submit(function, *arguments, **named)
        except BrokenProcessPool as error:
            failed: Future[Result] = Future()
            failed.set_exception(error)
            return failed


def exit_with_parent() -> None:
    """Make this process exit as soon as the one that started it has; it would otherwise wait for tasks forever."""
    threading.Thread(target=_exit_after_parent, daemon=True).start()


def use_one_thread() -> None:
    """Networks this small run fastest on one thread, and two processes slow each other down on a shared machine."""
    import torch

    torch.set_num_threads(1)


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread, as by `use_one_thread`, and afterwards as many as before."""
    import torch

    before = torch.get_num_threads()
    use_one_thread()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _exit_after_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def map_in_processes(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    *,
    initializer: Callable[..., None],
    initargs: tuple[Any, ...],
    on_crash: Callable[[Item], Result],
) -> Iterator[Result]:
    """One result per item, in order, even if an item kills the process that works on it.

    Args:
        function: Makes the result in a worker process; a module-level function.
        items: Read a bounded number ahead.
        workers: Number of processes.
        initializer: Called once in each process; a module-level function.
        initargs: Arguments of `initializer`.
        on_crash: Makes the result of an item that also kills a process of its own.
    """
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    source = iter(items)

    def pool(n: int) -> WorkerProcesses:
        return WorkerProcesses(n, get_context("spawn"), initializer=initializer, initargs=initargs)

    def alone(item: Item) -> Result:
        with pool(1) as single:
            try:
                return single.submit(function, item).result()
            except BrokenProcessPool:
                return on_crash(item)

    executor = pool(workers)
    try:
        while True:
            while len(waiting) < TASKS_PER_PROCESS * workers and (item := next(source, None)) is not None:
                waiting.append((item, executor.submit(function, item)))
            if not waiting:
                return
            item, future = waiting.popleft()
            try:
                yield future.result()
            except BrokenProcessPool:
                executor.shutdown(cancel_futures=True)
                yield alone(item)
                executor = pool(workers)
                waiting = deque((other, executor.submit(function, other)) for other, _ in waiting)
    finally:
        executor.shutdown(cancel_futures=True)
