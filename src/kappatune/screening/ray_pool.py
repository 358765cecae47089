"""A worker pool on a Ray cluster: one actor per CPU, on storage that all nodes share.

Plain actors are used instead of Ray Data: units are read from their source one by one as actors become free, so that
no list of 10^8 crystals ever exists, and a dead actor can be traced to the units it held.
"""

from __future__ import annotations

import logging
import math
import os
import secrets
import socket
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from kappatune.errors import install_hint
from kappatune.screening.layout import CLUSTER_TOKEN
from kappatune.screening.parts import ScanCounts
from kappatune.screening.settings import BadRequest, ScanSettings
from kappatune.screening.worker_pool import (
    CANNOT_START,
    UNITS_PER_WORKER,
    IndexedUnit,
    IsolatedWorker,
    WorkerDied,
    WorkerPool,
)
from kappatune.storage import write_text

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # else Ray uploads the working directory of a command run by `uv run`
try:
    import ray
    from ray.exceptions import RayError, RayTaskError
except ImportError as error:
    raise BadRequest(f"--ray needs Ray: {install_hint('ray')}") from error

THIS_MACHINE = "local"
"""Address that joins the Ray that runs on this machine, or starts one."""

CRASHES_AT_START = 3
"""How often each actor may die before one has started: a lost node takes all of its actors with it."""

CONNECT_SECONDS = 10.0
"""How long to wait for a connection to a head node, s."""

VISIBILITY_SECONDS = 30.0
"""How long a new file of a shared folder may take to become visible on a node, s: NFS caches that a file is absent."""

RECOUNT_SECONDS = 10.0
"""How often to look for nodes that have joined, s."""

ATTEMPTS = 2
"""How often a unit is given to the pool before it is tried in isolation: an actor may be lost with its node."""


class _Task(NamedTuple):
    actor: Any
    item: IndexedUnit | None
    """None while the actor starts."""


class RayWorkerPool(WorkerPool):
    """Actors of a Ray cluster. Every node must see the folders of sources, model and result."""

    def __init__(self, settings: ScanSettings, out: Path, workers: int | None, address: str) -> None:
        """Join or start Ray.

        Args:
            settings: What is scanned, and by which model.
            out: Folder of the result.
            workers: Actors, one CPU each; by default one for each CPU of the cluster, including nodes that join later.
            address: `THIS_MACHINE`, `auto`, or `host:port` of a head node.

        Raises:
            BadRequest: There is no cluster at that address.
        """
        super().__init__(settings, out)
        self.joined = ray.is_initialized()
        if not self.joined:
            _connect(address)
        self.workers = workers
        self.n_actors = 0
        self.counted_at = -math.inf
        self.idle: list[Any] = []
        self.running: dict[Any, _Task] = {}
        self.waiting: deque[IndexedUnit] = deque()
        self.attempts: dict[int, int] = {}
        self.crashes_at_start = 0
        self.model_info: dict[str, str] = {}
        self.token = secrets.token_hex(8)

    def start(self) -> dict[str, str]:
        """Request all actors, and wait for the first."""
        write_text(self.out / CLUSTER_TOKEN, self.token)
        self._start_missing_actors()
        while not self.idle:
            list(self._collect())
        return self.model_info

    def run(self, pending: Iterable[IndexedUnit | ScanCounts]) -> Iterator[ScanCounts]:
        """Process the units, a bounded number at a time, and yield the counts of each part."""
        for item in pending:
            if isinstance(item, ScanCounts):
                yield item
                continue
            self._start_missing_actors()
            self.waiting.append(item)
            yield from self._submit_waiting()
        while any(task.item for task in self.running.values()):
            yield from self._collect()
            yield from self._submit_waiting()

    def stop(self) -> None:
        """End all actors, and Ray itself if it was started here."""
        for actor in {id(a): a for a in [*self.idle, *(task.actor for task in self.running.values())]}.values():
            _kill(actor)
        (self.out / CLUSTER_TOKEN).unlink(missing_ok=True)
        if not self.joined:
            ray.shutdown()

    def start_isolated(self) -> IsolatedWorker:
        """An actor that needs no free CPU."""
        for _ in range(CRASHES_AT_START):
            worker = _IsolatedActor(_REMOTE.options(num_cpus=0).remote())
            with suppress(WorkerDied):
                worker.call("start", *self._start_arguments())
                return worker
        raise BadRequest(CANNOT_START)

    def _start_arguments(self) -> tuple[ScanSettings, Path, Path, str]:
        return self.settings, self.out, Path.cwd(), self.token

    def _start_missing_actors(self) -> None:
        """Request the actors that the cluster has CPUs for and that have not been requested yet."""
        if time.monotonic() - self.counted_at < RECOUNT_SECONDS:
            return
        self.counted_at = time.monotonic()
        wanted = self.workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        while self.n_actors < wanted:
            self.n_actors += 1
            self._start_actor()

    def _start_actor(self) -> None:
        actor = _REMOTE.remote()
        self.running[actor.start.remote(*self._start_arguments())] = _Task(actor, None)

    def _submit_waiting(self) -> Iterator[ScanCounts]:
        """Submit the waiting units to actors, and yield the counts of the parts that finish in the meantime."""
        while self.waiting:
            while not self.idle:
                yield from self._collect()
            item = self.waiting.popleft()
            actor = self.idle.pop(0)
            self.running[actor.process.remote(*item)] = _Task(actor, item)

    def _collect(self) -> Iterator[ScanCounts]:
        """Wait until some task has finished, and yield the counts of the parts that have."""
        done, _ = ray.wait(list(self.running), num_returns=1)
        for ref in done:
            task = self.running.pop(ref)
            try:
                result = ray.get(ref)
            except RayTaskError as error:
                raise error.cause from error
            except RayError as error:
                yield from self._replace_dead_actor(task, error)
                continue
            if task.item is None:
                self._actor_started(task.actor, result)
            else:
                self.attempts.pop(task.item[0], None)
                self.idle.append(task.actor)
                yield result

    def _actor_started(self, actor: Any, model_info: dict[str, str]) -> None:
        if self.model_info and model_info != self.model_info:
            raise BadRequest(f"the nodes of the cluster hold different models: {self.model_info} and {model_info}")
        self.model_info = model_info
        self.crashes_at_start = 0
        self.idle += [actor] * UNITS_PER_WORKER

    def _replace_dead_actor(self, task: _Task, error: RayError) -> Iterator[ScanCounts]:
        """Start another actor for a dead one, and let its unit wait for a free actor, or run it in isolation."""
        _kill(task.actor)
        if task.item is None:
            self.crashes_at_start += 1
            if self.crashes_at_start == CRASHES_AT_START * self.n_actors:
                raise BadRequest(CANNOT_START) from error
        self.idle = [actor for actor in self.idle if actor != task.actor]
        if not any(other.actor == task.actor for other in self.running.values()):
            self._start_actor()
        if task.item is None:
            return
        index, unit = task.item
        self.attempts[index] = self.attempts.get(index, 0) + 1
        if self.attempts[index] >= ATTEMPTS:
            del self.attempts[index]
            yield self.run_isolated(index, unit)
        else:
            self.waiting.append(task.item)


class _IsolatedActor(IsolatedWorker):
    def __init__(self, actor: Any) -> None:
        self.actor = actor

    def call(self, method: str, *arguments: Any) -> Any:
        try:
            return ray.get(getattr(self.actor, method).remote(*arguments))
        except RayTaskError as error:
            raise error.cause from error
        except RayError as error:
            raise WorkerDied from error

    def stop(self) -> None:
        _kill(self.actor)


class _Actor:
    """A worker in a process of a node."""

    def start(self, settings: ScanSettings, out: Path, folder: Path, token: str) -> dict[str, str]:
        """Load the model; relative paths start at the folder the scan was started from."""
        from kappatune.screening.worker import Worker

        enter_folder(folder, out, token)
        self.worker = Worker(settings, out)
        return self.worker.model_info

    def process(self, *arguments: Any) -> ScanCounts:
        return self.worker.process(*arguments)

    def try_unit(self, *arguments: Any) -> None:
        self.worker.try_unit(*arguments)


_REMOTE: Any = ray.remote(num_cpus=1, max_restarts=0)(_Actor)


def enter_folder(folder: Path, out: Path, token: str) -> None:
    """Change to the folder a scan was started from, on a node.

    Args:
        folder: Working directory of the scan.
        out: Folder of the result.
        token: What the scan has written there, so that a node's own folder of that name is not mistaken for it.

    Raises:
        BadRequest: This node does not see that folder, or the folder of the result.
    """
    try:
        os.chdir(folder)
        visible = _is_visible(out / CLUSTER_TOKEN, token)
    except OSError:
        visible = False
    if not visible:
        raise BadRequest(
            f"a node of the cluster ({os.uname().nodename}) does not see {out} from {folder}: sources, --out and the "
            "folder the command runs in must lie on storage that all nodes share"
        )


def _is_visible(path: Path, token: str) -> bool:
    latest = time.monotonic() + VISIBILITY_SECONDS
    while not path.is_file() or path.read_text(encoding="utf-8") != token:
        if time.monotonic() > latest:
            return False
        time.sleep(0.5)
    return True


def _kill(actor: Any) -> None:
    with suppress(RayError):  # it may be dead
        ray.kill(actor)


def _connect(address: str) -> None:
    if address in (THIS_MACHINE, "auto"):
        address = os.environ.get("RAY_ADDRESS") or address
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    try:
        if colon and port.isdigit():
            socket.create_connection(
                (host.strip("[]"), int(port)), CONNECT_SECONDS
            ).close()  # Ray itself would wait for minutes
        ray.init(
            address=None if address == THIS_MACHINE else address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            include_dashboard=False,
        )
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise BadRequest(f"no Ray cluster at {address}: {reason}") from error
