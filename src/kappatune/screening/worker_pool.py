"""Crews: the workers of a scan, and what happens when one of them dies.

A unit that ends its worker is tried again alone; if it does so again, its items are tried one by one, and
those that end two workers get a row with the reason.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from kappatune.errors import UserError
from kappatune.processes import exit_with_parent
from kappatune.screening.parts import Counts
from kappatune.screening.settings import BadRequest, ScanSettings
from kappatune.screening.sources import Unit

if TYPE_CHECKING:
    from kappatune.screening.worker import Worker

IN_FLIGHT = 3
"""Units handed out per worker: what bounds the memory of a scan."""

Item = tuple[int, Unit]
"""The number of a part and its unit."""

DEATHS_PER_ITEM = 2
"""Workers that an item may end before it is passed over: one may have died of something else."""

TRIES_ALONE = 3
"""How often a unit is tried alone, its guilty items left out, before the scan stops."""

NO_WORKER = "no worker process can start: free memory, then --resume"


class WorkerDied(Exception):
    """A worker's process came to an end."""


class IsolatedWorker(ABC):
    """One worker that is known to have begun, so that its death has to do with what it is given."""

    @abstractmethod
    def do(self, method: str, *arguments: Any) -> Any:
        """Call a method of `kappatune.screening.worker.Worker`.

        Raises:
            WorkerDied: It died of it.
        """

    @abstractmethod
    def dismiss(self) -> None:
        """Let the worker go."""


class WorkerPool(ABC):
    """The workers of a scan, as a context."""

    def __init__(self, settings: ScanSettings, out: Path) -> None:
        self.settings = settings
        self.out = out

    @abstractmethod
    def begin(self) -> dict[str, str]:
        """Start the workers.

        Returns:
            What they say of the model (`kappatune.screening.worker.Worker.facts`).

        Raises:
            UserError: They cannot begin.
        """

    @abstractmethod
    def run(self, pending: Iterable[Item | Counts]) -> Iterator[Counts]:
        """Do the units, a bounded number at a time, and yield the counts of each part."""

    @abstractmethod
    def end(self) -> None:
        """Let all workers go."""

    @abstractmethod
    def hire(self) -> IsolatedWorker:
        """One more worker, for one purpose.

        Raises:
            BadRequest: It cannot begin.
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.end()

    def alone(self, index: int, unit: Unit) -> Counts:
        """Do one unit with a worker of its own; if that dies, find the items that kill it.

        Raises:
            BadRequest: The unit goes on killing workers though none of its items does, or no worker can begin.
        """
        poisoned: frozenset[int] = frozenset()
        for _ in range(TRIES_ALONE):
            try:
                return self._once("work", index, unit, poisoned)
            except WorkerDied:
                poisoned = frozenset(self._poisoned(unit))
        raise BadRequest(
            f"the worker process died {TRIES_ALONE} times on {unit.file or unit.items[0]}, though every item that is "
            "left can be read alone: free memory or use fewer --workers, then --resume"
        )

    def _once(self, method: str, *arguments: Any) -> Any:
        worker = self.hire()
        try:
            return worker.do(method, *arguments)
        finally:
            worker.dismiss()

    def _poisoned(self, unit: Unit) -> Iterator[int]:
        """Positions of the items that kill a worker, found one by one."""
        worker = self.hire()
        for k, item in enumerate(unit.items):
            for _ in range(DEATHS_PER_ITEM):
                try:
                    worker.do("attempt", replace(unit, items=[item], first=unit.first + k))
                    break
                except WorkerDied:
                    worker.dismiss()
                    worker = self.hire()
            else:
                yield k
        worker.dismiss()


class LocalWorkerPool(WorkerPool):
    """Processes of this machine."""

    def __init__(self, settings: ScanSettings, out: Path, workers: int) -> None:
        super().__init__(settings, out)
        self.workers = workers
        self.pool = self.new_pool(workers)

    def begin(self) -> dict[str, str]:
        """Start all processes, and wait for the first."""
        try:
            first, *_ = [self.pool.submit(_facts) for _ in range(self.workers)]
            return first.result()
        except BrokenProcessPool as error:
            raise BadRequest(NO_WORKER) from error

    def run(self, pending: Iterable[Item | Counts]) -> Iterator[Counts]:
        """Do the units, a bounded number at a time, and yield the counts of each part."""
        running: dict[Future[Counts], Item] = {}
        for item in pending:
            if isinstance(item, Counts):
                yield item
                continue
            running[self.pool.submit(_do, "work", *item)] = item
            if len(running) >= IN_FLIGHT * self.workers:
                yield from self._collect(running)
        while running:
            yield from self._collect(running)

    def end(self) -> None:
        """Wait for the units at work, drop the others."""
        self.pool.shutdown(wait=True, cancel_futures=True)

    def hire(self) -> IsolatedWorker:
        """A process of its own."""
        return _IsolatedProcess(self.new_pool(1))

    def new_pool(self, workers: int) -> ProcessPoolExecutor:
        """Processes that load the model as they start."""
        return ProcessPoolExecutor(
            workers, mp_context=get_context("spawn"), initializer=_begin, initargs=(self.settings, self.out)
        )

    def _collect(self, running: dict[Future[Counts], Item]) -> Iterator[Counts]:
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
                yield self.alone(index, unit)
            self.pool = self.new_pool(self.workers)


class _IsolatedProcess(IsolatedWorker):
    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self.pool = pool
        try:
            pool.submit(_facts).result()
        except BrokenProcessPool as error:
            raise BadRequest(NO_WORKER) from error

    def do(self, method: str, *arguments: Any) -> Any:
        try:
            return self.pool.submit(_do, method, *arguments).result()
        except BrokenProcessPool as error:
            raise WorkerDied from error

    def dismiss(self) -> None:
        self.pool.shutdown()


_worker: Worker | UserError | None = None


def _begin(settings: ScanSettings, out: Path) -> None:
    """Load in the worker's process, where alone torch is imported; what fails is told when it is asked."""
    global _worker
    exit_with_parent()
    from kappatune.screening.worker import Worker

    try:
        _worker = Worker(settings, out)
    except UserError as error:
        _worker = error


def _facts() -> dict[str, str]:
    return _begun().facts


def _do(method: str, *arguments: Any) -> Any:
    return getattr(_begun(), method)(*arguments)


def _begun() -> Worker:
    if isinstance(_worker, UserError):
        raise _worker
    assert _worker is not None
    return _worker
