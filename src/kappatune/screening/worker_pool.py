"""Worker pools: the workers of a scan, and what happens when one of them crashes.

A unit whose worker has crashed is tried again in a process of its own. If that crashes too, its items are tried one by
one, and those that crash two workers become rows with that reason.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from kappatune.errors import UserError
from kappatune.processes import WorkerProcesses, exit_with_parent
from kappatune.screening.parts import ScanCounts
from kappatune.screening.settings import BadRequest, ScanSettings
from kappatune.screening.unit import Unit

if TYPE_CHECKING:
    from kappatune.screening.worker import Worker

UNITS_PER_WORKER = 3
"""Units submitted per worker: what bounds the memory of a scan."""

IndexedUnit = tuple[int, Unit]
"""The number of a part and its unit."""

CRASHES_PER_ITEM = 2
"""Workers that an item may crash before it is left out: one of them may have died for another reason."""

ISOLATED_ATTEMPTS = 3
"""How often a unit is tried in isolation, without its crashing items, before the scan stops."""

CANNOT_START = (
    "no worker process can start: free memory, then use --resume; in a script, call screen below "
    '`if __name__ == "__main__":`, because each worker imports the script'
)


class WorkerDied(Exception):
    """The process of a worker has ended."""


class IsolatedWorker(ABC):
    """One worker that is known to have started, so that a crash is due to what it is given."""

    @abstractmethod
    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of `kappatune.screening.worker.Worker`.

        Raises:
            WorkerDied: The call crashed the worker.
        """

    @abstractmethod
    def stop(self) -> None:
        """End the worker."""


class WorkerPool(ABC):
    """The workers of a scan, as a context."""

    def __init__(self, settings: ScanSettings, out: Path) -> None:
        self.settings = settings
        self.out = out

    @abstractmethod
    def start(self) -> dict[str, str]:
        """Start the workers.

        Returns:
            What they report about the model (`kappatune.screening.worker.Worker.model_info`).

        Raises:
            UserError: They cannot start.
        """

    @abstractmethod
    def run(self, pending: Iterable[IndexedUnit | ScanCounts]) -> Iterator[ScanCounts]:
        """Process the units, a bounded number at a time, and yield the counts of each part."""

    @abstractmethod
    def stop(self) -> None:
        """End all workers."""

    @abstractmethod
    def start_isolated(self) -> IsolatedWorker:
        """One more worker, in addition to those of the pool.

        Raises:
            BadRequest: It cannot start.
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()

    def run_isolated(self, index: int, unit: Unit) -> ScanCounts:
        """Process one unit in a worker of its own; if that crashes, find the items at fault and leave them out.

        Raises:
            BadRequest: The unit crashes workers although none of its items does, or no worker can start.
        """
        crashing: frozenset[int] = frozenset()
        for _ in range(ISOLATED_ATTEMPTS):
            worker = self.start_isolated()
            try:
                counts: ScanCounts = worker.call("process", index, unit, crashing)
                return counts
            except WorkerDied:
                crashing = frozenset(self._crashing_items(unit))
            finally:
                worker.stop()
        raise BadRequest(
            f"the worker process died {ISOLATED_ATTEMPTS} times on {unit.file or unit.items[0]}, although each "
            "remaining item can be read on its own: free memory or use fewer --workers, then use --resume"
        )

    def _crashing_items(self, unit: Unit) -> Iterator[int]:
        """Positions of the items that crash a worker, found one by one."""
        worker = self.start_isolated()
        for k, item in enumerate(unit.items):
            for _ in range(CRASHES_PER_ITEM):
                try:
                    worker.call("try_unit", replace(unit, items=[item], first=unit.first + k))
                    break
                except WorkerDied:
                    worker.stop()
                    worker = self.start_isolated()
            else:
                yield k
        worker.stop()


class LocalWorkerPool(WorkerPool):
    """Processes of this machine."""

    def __init__(self, settings: ScanSettings, out: Path, workers: int) -> None:
        super().__init__(settings, out)
        self.workers = workers
        self.pool = self.new_pool(workers)

    def start(self) -> dict[str, str]:
        """Start all processes, and wait for the first."""
        try:
            first, *_ = [self.pool.submit(_model_info) for _ in range(self.workers)]
            return first.result()
        except BrokenProcessPool as error:
            raise BadRequest(CANNOT_START) from error

    def run(self, pending: Iterable[IndexedUnit | ScanCounts]) -> Iterator[ScanCounts]:
        """Process the units, a bounded number at a time, and yield the counts of each part."""
        running: dict[Future[ScanCounts], IndexedUnit] = {}
        for item in pending:
            if isinstance(item, ScanCounts):
                yield item
                continue
            running[self.pool.submit(_call, "process", *item)] = item
            if len(running) >= UNITS_PER_WORKER * self.workers:
                yield from self._collect(running)
        while running:
            yield from self._collect(running)

    def stop(self) -> None:
        """Wait for the units in progress, drop the others."""
        self.pool.shutdown(wait=True, cancel_futures=True)

    def start_isolated(self) -> IsolatedWorker:
        """A process of its own."""
        return _IsolatedProcess(self.new_pool(1))

    def new_pool(self, workers: int) -> WorkerProcesses:
        """Processes that load the model when they start."""
        return WorkerProcesses(
            workers, mp_context=get_context("spawn"), initializer=_load, initargs=(self.settings, self.out)
        )

    def _collect(self, running: dict[Future[ScanCounts], IndexedUnit]) -> Iterator[ScanCounts]:
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        try:
            for future in done:
                counts = future.result()
                del running[future]
                yield counts
        except BrokenProcessPool:
            suspects = sorted(running.values(), key=lambda item: item[0])
            running.clear()
            self.pool.shutdown()
            for index, unit in suspects:
                yield self.run_isolated(index, unit)
            self.pool = self.new_pool(self.workers)


class _IsolatedProcess(IsolatedWorker):
    def __init__(self, pool: WorkerProcesses) -> None:
        self.pool = pool
        try:
            pool.submit(_model_info).result()
        except BrokenProcessPool as error:
            raise BadRequest(CANNOT_START) from error

    def call(self, method: str, *arguments: Any) -> Any:
        try:
            return self.pool.submit(_call, method, *arguments).result()
        except BrokenProcessPool as error:
            raise WorkerDied from error

    def stop(self) -> None:
        self.pool.shutdown()


_worker: Worker | UserError | None = None


def _load(settings: ScanSettings, out: Path) -> None:
    """Load the model, in the worker's process: only there is torch imported. An error is raised by the first call."""
    global _worker  # noqa: PLW0603 - one model per worker process
    exit_with_parent()
    from kappatune.screening.worker import Worker

    try:
        _worker = Worker(settings, out)
    except UserError as error:
        _worker = error


def _model_info() -> dict[str, str]:
    return _loaded().model_info


def _call(method: str, *arguments: Any) -> Any:
    return getattr(_loaded(), method)(*arguments)


def _loaded() -> Worker:
    if isinstance(_worker, UserError):
        raise _worker
    assert _worker is not None
    return _worker
