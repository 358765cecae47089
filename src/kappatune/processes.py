"""Worker processes: how each is set up, and a map over many items that survives a crash of one of them."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import TYPE_CHECKING, Any, TypeVar

from kappatune.errors import BadRequest

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, SpawnContext

TASKS_PER_PROCESS = 4
"""Tasks submitted ahead per process: what bounds the memory of a stream."""

ONE_THREAD = {"OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
"""What libraries read when they are loaded, and a worker has one thread."""

CANNOT_START = (
    "no worker process can start: free memory and try again; in a script, call this below "
    '`if __name__ == "__main__":`, because each worker imports the script'
)

Item = TypeVar("Item")
Result = TypeVar("Result")


def worker_context(module: str) -> ForkServerContext | SpawnContext:
    """How worker processes start, as a context of `multiprocessing`.

    Importing torch takes longer than all else that a worker does before its first task. On Linux the workers are
    therefore forked from a process that has imported it and does nothing else; it starts with the first worker, and
    ends when this process and its workers have. Elsewhere each worker imports it itself, as where that process cannot
    start: in a process that was itself forked from one that has it, or where no socket can be made.

    Args:
        module: What the workers need, by its full name. Only the first call decides what their common process imports.
    """
    if getattr(sys.modules["__main__"], "__file__", None) == "<stdin>":
        del sys.modules["__main__"].__file__  # each worker would look for a script of that name
    if sys.platform != "linux":
        return get_context("spawn")
    from multiprocessing import forkserver

    context = get_context("forkserver")
    with _starting:
        context.set_forkserver_preload([module])
        try:
            with _environment(**ONE_THREAD, PYTHONSAFEPATH="1"):  # what lies in the working directory is not imported
                forkserver.ensure_running()
        except OSError:
            return get_context("spawn")
    return context


_starting = threading.Lock()
"""Held while a process starts that workers are forked from, and the environment is its own."""


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            if name in before:
                os.environ[name] = before[name]
            else:
                del os.environ[name]


class WorkerProcesses(ProcessPoolExecutor):
    """Processes whose end is seen in results alone: a call that cannot be submitted any more is one that failed."""

    def submit(self, function: Callable[..., Result], /, *arguments: Any, **named: Any) -> Future[Result]:
        """Submit a call; its result raises `BrokenProcessPool` if a process has ended or cannot start."""
        try:
            return super().submit(function, *arguments, **named)
        except (BrokenProcessPool, EOFError, ConnectionError) as error:
            failed: Future[Result] = Future()
            failed.set_exception(BrokenProcessPool(str(error)))
            return failed


def worker_pool(
    module: str, workers: int, initializer: Callable[..., None], initargs: tuple[Any, ...]
) -> WorkerProcesses:
    """Worker processes that see the environment as it is now, but for one thread, and end with this process.

    Args:
        module: As for `worker_context`.
        workers: Number of processes.
        initializer: Called once in each process; a module-level function.
        initargs: Arguments of `initializer`.
    """
    arguments = (worker_environment(), initializer, initargs)
    return WorkerProcesses(workers, worker_context(module), initializer=_start_worker, initargs=arguments)


def worker_environment() -> dict[str, str]:
    """The environment of this process as it is now, with one thread for libraries that count threads when loaded."""
    with _starting:
        return {**os.environ, **ONE_THREAD}


def _start_worker(environment: dict[str, str], initializer: Callable[..., None], initargs: tuple[Any, ...]) -> None:
    follow_parent(environment)
    initializer(*initargs)


def follow_parent(environment: dict[str, str]) -> None:
    """Give this process the environment of the one that started it, and make it exit as soon as that one has."""
    exit_with_parent()
    os.environ.clear()
    os.environ.update(environment)


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
    module: str,
    initializer: Callable[..., None],
    initargs: tuple[Any, ...],
    on_crash: Callable[[Item], Result],
) -> Iterator[Result]:
    """One result per item, in order, even if an item kills the process that works on it.

    Args:
        function: Makes the result in a worker process; a module-level function.
        items: Read a bounded number ahead.
        workers: Number of processes.
        module: As for `worker_context`.
        initializer: Called once in each process; a module-level function.
        initargs: Arguments of `initializer`.
        on_crash: Makes the result of an item that also kills a process of its own.

    Raises:
        BadRequest: No process can start.
    """
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    source = iter(items)

    def pool(n: int) -> WorkerProcesses:
        return worker_pool(module, n, initializer, initargs)

    def alone(item: Item) -> Result:
        with pool(1) as single:
            try:
                single.submit(int).result()
            except BrokenProcessPool as error:
                raise BadRequest(CANNOT_START) from error
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
