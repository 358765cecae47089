"""Actors on a Ray cluster that work on tasks, one CPU each, on storage that all nodes share; dead ones are replaced.

Plain actors are used instead of Ray Data: tasks are given out one by one as actors become free, so that a source is
never read as a whole, and a dead actor can be traced to the tasks it held.
"""

from __future__ import annotations

import logging
import math
import os
import secrets
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from kappatune.errors import BadRequest, install_hint
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

TOKEN = ".sign"  # noqa: S105 - the name of a file
"""A random word by which the nodes of a cluster check that they see the same folder; present while they work."""

CRASHES_AT_START = 3
"""How often each actor may die before one has started: a lost node takes all of its actors with it."""

CONNECT_SECONDS = 10.0
"""How long to wait for a connection to a head node, s."""

VISIBILITY_SECONDS = 30.0
"""How long a new file of a shared folder may take to become visible on a node, s: NFS caches that a file is absent."""

RECOUNT_SECONDS = 10.0
"""How often to look for nodes that have joined, s."""

ATTEMPTS = 2
"""How often a task is given to an actor before it counts as lost: an actor may be lost with its node."""

CANNOT_START = "no worker process can start: free memory, then run the same command again"


class ActorDied(Exception):
    """The process of an actor has ended."""


class Task(NamedTuple):
    """A call of a method of the worker that an actor holds.

    Attributes:
        key: Names it; unique among unfinished tasks.
        method: Name of the method.
        arguments: Its arguments.
    """

    key: tuple[int | str, ...]
    method: str
    arguments: tuple[Any, ...]


class Finished(NamedTuple):
    """A task that has ended.

    Attributes:
        task: The task.
        result: What the method returned.
        lost: Whether it killed its actor, or lost it, as often as it was tried; there is no result.
    """

    task: Task
    result: Any = None
    lost: bool = False


class _Running(NamedTuple):
    actor: Any
    task: Task | None
    """None while the actor starts."""


class ActorPool:
    """Actors of a cluster, as a context. Every node must see the working directory and the folder of the result.

    Attributes:
        out: Folder of the result.
        n_actors: Actors that have been requested.
        n_open: Tasks that have not finished.
    """

    def __init__(
        self,
        load: Callable[..., tuple[Any, dict[str, str]]],
        out: Path,
        workers: int | None,
        address: str,
        tasks_per_actor: int = 1,
    ) -> None:
        """Join or start Ray.

        Args:
            load: Makes the worker that an actor holds, and says what must be the same on all nodes; a function of a
                module.
            out: Folder of the result.
            workers: Actors, one CPU each; by default one for each CPU of the cluster, including nodes that join later.
            address: `THIS_MACHINE`, `auto`, or `host:port` of a head node.
            tasks_per_actor: Tasks that an actor is given at once.

        Raises:
            BadRequest: There is no cluster at that address.
        """
        self.joined = ray.is_initialized()
        if not self.joined:
            _connect(address)
        self.load, self.out = load, out
        self.arguments: tuple[Any, ...] = ()
        self.workers = workers
        self.tasks_per_actor = tasks_per_actor
        self.n_actors = self.n_open = 0
        self.counted_at = -math.inf
        self.idle: list[Any] = []
        self.running: dict[Any, _Running] = {}
        self.waiting: deque[Task] = deque()
        self.attempts: dict[tuple[int | str, ...], int] = {}
        self.crashes_at_start = 0
        self.identity: dict[str, str] = {}
        self.token = secrets.token_hex(8)

    def start(self, *arguments: Any) -> dict[str, str]:
        """Request all actors, and wait for the first.

        Args:
            *arguments: Of `load`. Relative paths start at the folder the command was started from.

        Returns:
            What its worker says must be the same on all nodes.

        Raises:
            BadRequest: No actor can start, or a node does not see the folders.
            UserError: The worker cannot be loaded.
        """
        self.arguments = arguments
        write_text(self.out / TOKEN, self.token)
        self._start_missing_actors()
        while not self.idle:
            self.wait()
        return self.identity

    @property
    def has_room(self) -> bool:
        """Whether an actor is free for one more task."""
        return len(self.idle) > len(self.waiting)

    def add(self, task: Task) -> None:
        """Give a task to a free actor, or let it wait for one."""
        self._start_missing_actors()
        self.n_open += 1
        self.waiting.append(task)
        self._submit_waiting()

    def wait(self, timeout_s: float | None = None) -> Finished | None:
        """Wait until something has happened.

        Returns:
            A task that has finished; None if an actor has started or been replaced, or the time is over.

        Raises:
            BadRequest: As `start`.
            Exception: What the method of a task raised.
        """
        done, _ = ray.wait(list(self.running), num_returns=1, timeout=timeout_s)
        finished = self._collect(done[0]) if done else None
        self._submit_waiting()
        self.n_open -= finished is not None
        return finished

    def isolated(self) -> IsolatedActor:
        """One more actor, which needs no free CPU.

        Raises:
            BadRequest: It cannot start.
        """
        for _ in range(CRASHES_AT_START):
            actor = IsolatedActor(_REMOTE.options(num_cpus=0).remote())
            with suppress(ActorDied):
                actor.start(*self._start_arguments())
                return actor
        raise BadRequest(CANNOT_START)

    def stop(self) -> None:
        """End all actors, and Ray itself if it was started here."""
        for actor in {id(a): a for a in [*self.idle, *(task.actor for task in self.running.values())]}.values():
            _kill(actor)
        (self.out / TOKEN).unlink(missing_ok=True)
        if not self.joined:
            ray.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()

    def _start_arguments(self) -> tuple[Any, ...]:
        return self.load, self.arguments, Path.cwd(), self.out, self.token

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
        self.running[actor.start.remote(*self._start_arguments())] = _Running(actor, None)

    def _submit_waiting(self) -> None:
        while self.waiting and self.idle:
            task, actor = self.waiting.popleft(), self.idle.pop(0)
            self.running[actor.call.remote(task.method, *task.arguments)] = _Running(actor, task)

    def _collect(self, ref: Any) -> Finished | None:
        actor, task = self.running.pop(ref)
        try:
            result = ray.get(ref)
        except RayTaskError as error:
            raise error.cause from error
        except RayError as error:
            return self._replace_dead_actor(actor, task, error)
        if task is None:
            self._actor_started(actor, result)
            return None
        self.attempts.pop(task.key, None)
        self.idle.append(actor)
        return Finished(task, result)

    def _actor_started(self, actor: Any, identity: dict[str, str]) -> None:
        if self.identity and identity != self.identity:
            differing = sorted(key for key in identity if identity[key] != self.identity.get(key))
            here, there = ({key: one.get(key) for key in differing} for one in (self.identity, identity))
            raise BadRequest(f"the nodes of the cluster differ: {here} and {there}")
        self.identity = identity
        self.crashes_at_start = 0
        self.idle += [actor] * self.tasks_per_actor

    def _replace_dead_actor(self, actor: Any, task: Task | None, error: RayError) -> Finished | None:
        """Start another actor for a dead one; its task waits for a free actor, unless it was tried often enough."""
        _kill(actor)
        if task is None:
            self.crashes_at_start += 1
            if self.crashes_at_start == CRASHES_AT_START * self.n_actors:
                raise BadRequest(CANNOT_START) from error
        self.idle = [other for other in self.idle if other != actor]
        if not any(other.actor == actor for other in self.running.values()):
            self._start_actor()
        if task is None:
            return None
        self.attempts[task.key] = self.attempts.get(task.key, 0) + 1
        if self.attempts[task.key] >= ATTEMPTS:
            del self.attempts[task.key]
            return Finished(task, lost=True)
        self.waiting.append(task)
        return None


class IsolatedActor:
    """One actor that is known to have started, so that its death is due to what it is given."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor

    def start(self, *arguments: Any) -> None:
        """Load the worker.

        Raises:
            ActorDied: The process ended.
        """
        self._get(self.actor.start, *arguments)

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of the worker.

        Raises:
            ActorDied: The process ended.
        """
        return self._get(self.actor.call, method, *arguments)

    def stop(self) -> None:
        """End it."""
        _kill(self.actor)

    @staticmethod
    def _get(method: Any, *arguments: Any) -> Any:
        try:
            return ray.get(method.remote(*arguments))
        except RayTaskError as error:
            raise error.cause from error
        except RayError as error:
            raise ActorDied from error


class _Actor:
    """A worker in a process of a node."""

    def start(
        self,
        load: Callable[..., tuple[Any, dict[str, str]]],
        arguments: tuple[Any, ...],
        folder: Path,
        out: Path,
        token: str,
    ) -> dict[str, str]:
        """Load the worker; relative paths start at the folder the command was started from."""
        enter_folder(folder, out, token)
        self.worker, identity = load(*arguments)
        return identity

    def call(self, method: str, *arguments: Any) -> Any:
        return getattr(self.worker, method)(*arguments)


_REMOTE: Any = ray.remote(num_cpus=1, max_restarts=0)(_Actor)


def enter_folder(folder: Path, out: Path, token: str) -> None:
    """Change to the folder a command was started from, on a node.

    Args:
        folder: Working directory of the command.
        out: Folder of the result.
        token: What the command has written there, so that a node's own folder of that name is not mistaken for it.

    Raises:
        BadRequest: This node does not see that folder, or the folder of the result.
    """
    try:
        os.chdir(folder)
        visible = _is_visible(out / TOKEN, token)
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
