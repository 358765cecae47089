"""A crew on a Ray cluster: one actor per CPU, on storage that all nodes share.

Plain actors instead of Ray Data: units are pulled from their source one by one as workers become free, so
that no list of 10^8 crystals ever exists, and the death of an actor can be traced to the units it held.
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

from kappatune.screening.layout import SIGN
from kappatune.screening.parts import Counts
from kappatune.screening.settings import BadRequest, ScanSettings
from kappatune.screening.worker_pool import IN_FLIGHT, NO_WORKER, IsolatedWorker, Item, WorkerDied, WorkerPool

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # else Ray uploads the working directory of a command run by `uv run`
try:
    import ray
    from ray.exceptions import RayError, RayTaskError
except ImportError as error:
    raise BadRequest("--ray needs Ray: pip install 'kappatune[ray]'") from error

THIS_MACHINE = "local"
"""Address that joins the Ray that runs on this machine, or starts one."""

DEATHS_AT_BEGIN = 3
"""How often each actor may die before one has begun: a lost node takes all of its actors at once."""

CONNECT_SECONDS = 10.0
"""How long a head node may take to answer."""

SEE_SECONDS = 30.0
"""How late a node may see a new file of a shared folder: NFS remembers for a while that there was none."""

GROW_SECONDS = 10.0
"""How often nodes that have joined are looked for."""

ATTEMPTS = 2
"""How often a unit is given to the crew before it is tried alone: nodes are lost, too."""


class _Task(NamedTuple):
    actor: Any
    item: Item | None
    """None while the actor begins."""


class RayWorkerPool(WorkerPool):
    """Actors of a Ray cluster. The folders of sources, model and result have to be seen from every node."""

    def __init__(self, settings: ScanSettings, out: Path, workers: int | None, address: str) -> None:
        """Join or start Ray.

        Args:
            settings: What is scanned, with what.
            out: Folder of the result.
            workers: Actors, one CPU each; by default as many as the cluster has CPUs, those of nodes that join
                later included.
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
        self.counted = -math.inf
        self.idle: list[Any] = []
        self.running: dict[Any, _Task] = {}
        self.waiting: deque[Item] = deque()
        self.attempts: dict[int, int] = {}
        self.deaths_at_begin = 0
        self.facts: dict[str, str] = {}
        self.sign = secrets.token_hex(8)

    def begin(self) -> dict[str, str]:
        """Ask for all actors, and wait for the first."""
        self.out.mkdir(parents=True, exist_ok=True)
        (self.out / SIGN).write_text(self.sign, encoding="utf-8")
        self._grow()
        while not self.idle:
            list(self._collect())
        return self.facts

    def run(self, pending: Iterable[Item | Counts]) -> Iterator[Counts]:
        """Do the units, a bounded number at a time, and yield the counts of each part."""
        for item in pending:
            if isinstance(item, Counts):
                yield item
                continue
            self._grow()
            self.waiting.append(item)
            yield from self._hand_out()
        while any(task.item for task in self.running.values()):
            yield from self._collect()
            yield from self._hand_out()

    def end(self) -> None:
        """Let all actors go; a Ray that was started here ends."""
        for actor in {id(a): a for a in [*self.idle, *(task.actor for task in self.running.values())]}.values():
            _kill(actor)
        (self.out / SIGN).unlink(missing_ok=True)
        if not self.joined:
            ray.shutdown()

    def hire(self) -> IsolatedWorker:
        """An actor that waits for no CPU."""
        for _ in range(DEATHS_AT_BEGIN):
            lone = _IsolatedActor(_REMOTE.options(num_cpus=0).remote())
            with suppress(WorkerDied):
                lone.do("begin", *self._orders())
                return lone
        raise BadRequest(NO_WORKER)

    def _orders(self) -> tuple[ScanSettings, Path, Path, str]:
        return self.settings, self.out, Path.cwd(), self.sign

    def _grow(self) -> None:
        """Ask for the actors that are wanted and not there yet."""
        if time.monotonic() - self.counted < GROW_SECONDS:
            return
        self.counted = time.monotonic()
        wanted = self.workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        while self.n_actors < wanted:
            self.n_actors += 1
            self._start_actor()

    def _start_actor(self) -> None:
        actor = _REMOTE.remote()
        self.running[actor.begin.remote(*self._orders())] = _Task(actor, None)

    def _hand_out(self) -> Iterator[Counts]:
        """Give what waits to actors, and yield the counts of what is done meanwhile."""
        while self.waiting:
            while not self.idle:
                yield from self._collect()
            self._give(self.waiting.popleft())

    def _give(self, item: Item) -> None:
        actor = self.idle.pop(0)
        self.running[actor.work.remote(*item)] = _Task(actor, item)

    def _collect(self) -> Iterator[Counts]:
        """Wait until something is done, and yield the counts of what is."""
        done, _ = ray.wait(list(self.running), num_returns=1)
        for ref in done:
            task = self.running.pop(ref)
            try:
                said = ray.get(ref)
            except RayTaskError as error:
                raise error.cause from error
            except RayError as error:
                yield from self._bury(task, error)
                continue
            if task.item is None:
                self._welcome(task.actor, said)
            else:
                self.attempts.pop(task.item[0], None)
                self.idle.append(task.actor)
                yield said

    def _welcome(self, actor: Any, facts: dict[str, str]) -> None:
        if self.facts and facts != self.facts:
            raise BadRequest(f"the nodes of the cluster hold different models: {self.facts} and {facts}")
        self.facts = facts
        self.deaths_at_begin = 0
        self.idle += [actor] * IN_FLIGHT

    def _bury(self, task: _Task, error: RayError) -> Iterator[Counts]:
        """Replace a dead actor, and let its unit wait for another."""
        _kill(task.actor)
        if task.item is None:
            self.deaths_at_begin += 1
            if self.deaths_at_begin == DEATHS_AT_BEGIN * self.n_actors:
                raise BadRequest(NO_WORKER) from error
        self.idle = [actor for actor in self.idle if actor != task.actor]
        if not any(other.actor == task.actor for other in self.running.values()):
            self._start_actor()
        if task.item is None:
            return
        index, unit = task.item
        self.attempts[index] = self.attempts.get(index, 0) + 1
        if self.attempts[index] >= ATTEMPTS:
            del self.attempts[index]
            yield self.alone(index, unit)
        else:
            self.waiting.append(task.item)


class _IsolatedActor(IsolatedWorker):
    def __init__(self, actor: Any) -> None:
        self.actor = actor

    def do(self, method: str, *arguments: Any) -> Any:
        try:
            return ray.get(getattr(self.actor, method).remote(*arguments))
        except RayTaskError as error:
            raise error.cause from error
        except RayError as error:
            raise WorkerDied from error

    def dismiss(self) -> None:
        _kill(self.actor)


class _Actor:
    """A worker in a process of a node."""

    def begin(self, settings: ScanSettings, out: Path, folder: Path, sign: str) -> dict[str, str]:
        """Load the model; paths mean what they mean in the folder the scan was started from."""
        from kappatune.screening.worker import Worker

        enter(folder, out, sign)
        self.worker = Worker(settings, out)
        return self.worker.facts

    def work(self, *arguments: Any) -> Counts:
        return self.worker.work(*arguments)

    def attempt(self, *arguments: Any) -> None:
        self.worker.attempt(*arguments)


_REMOTE: Any = ray.remote(num_cpus=1, max_restarts=0)(_Actor)


def enter(folder: Path, out: Path, sign: str) -> None:
    """Go to the folder a scan was started from, on a node.

    Args:
        folder: Working directory of the scan.
        out: Folder of the result.
        sign: What the scan has written there, so that a node's own folder of that name is not taken for it.

    Raises:
        BadRequest: This node does not see that folder, or not the result's.
    """
    try:
        os.chdir(folder)
        seen = _sees(out / SIGN, sign)
    except OSError:
        seen = False
    if not seen:
        raise BadRequest(
            f"a node of the cluster ({os.uname().nodename}) does not see {out} from {folder}: sources, --out and the "
            "folder the command runs in have to lie on storage that all nodes share"
        )


def _sees(path: Path, sign: str) -> bool:
    latest = time.monotonic() + SEE_SECONDS
    while not path.is_file() or path.read_text(encoding="utf-8") != sign:
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
