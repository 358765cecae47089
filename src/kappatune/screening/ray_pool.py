"""A worker pool on a Ray cluster (`kappatune.cluster`): units are read from their source as actors become free."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kappatune.cluster import ActorDied, ActorPool, IsolatedActor, Task
from kappatune.screening.parts import ScanCounts
from kappatune.screening.settings import ScanSettings
from kappatune.screening.worker_pool import UNITS_PER_WORKER, IndexedUnit, IsolatedWorker, WorkerDied, WorkerPool


class RayWorkerPool(WorkerPool):
    """Actors of a Ray cluster. Every node must see the folders of sources, model and result."""

    def __init__(self, settings: ScanSettings, out: Path, workers: int | None, address: str) -> None:
        """Join or start Ray.

        Args:
            settings: What is scanned, and by which model.
            out: Folder of the result.
            workers: Actors, one CPU each; by default one for each CPU of the cluster, including nodes that join later.
            address: `local`, `auto`, or `host:port` of a head node.

        Raises:
            BadRequest: There is no cluster at that address.
        """
        super().__init__(settings, out)
        self.actors = ActorPool(_load, out, workers, address, UNITS_PER_WORKER)

    def start(self) -> dict[str, str]:
        """Request all actors, and wait for the first."""
        return self.actors.start(self.settings, self.out)

    def run(self, pending: Iterable[IndexedUnit | ScanCounts]) -> Iterator[ScanCounts]:
        """Process the units, a bounded number at a time, and yield the counts of each part."""
        for item in pending:
            if isinstance(item, ScanCounts):
                yield item
                continue
            while not self.actors.has_room:
                yield from self._collect()
            self.actors.add(Task((item[0],), "process", item))
        while self.actors.n_open:
            yield from self._collect()

    def stop(self) -> None:
        """End all actors, and Ray itself if it was started here."""
        self.actors.stop()

    def start_isolated(self) -> IsolatedWorker:
        """An actor that needs no free CPU."""
        return _IsolatedWorker(self.actors.isolated())

    def _collect(self) -> Iterator[ScanCounts]:
        """The counts of a part that has finished, if it is one that something has happened to."""
        finished = self.actors.wait()
        if finished is not None:
            yield self.run_isolated(*finished.task.arguments) if finished.lost else finished.result


class _IsolatedWorker(IsolatedWorker):
    def __init__(self, actor: IsolatedActor) -> None:
        self.actor = actor

    def call(self, method: str, *arguments: Any) -> Any:
        try:
            return self.actor.call(method, *arguments)
        except ActorDied as error:
            raise WorkerDied from error

    def stop(self) -> None:
        self.actor.stop()


def _load(settings: ScanSettings, out: Path) -> tuple[Any, dict[str, str]]:
    """The worker of an actor, and what all nodes must agree on: the model."""
    from kappatune.screening.worker import Worker

    worker = Worker(settings, out)
    return worker, worker.model_info
