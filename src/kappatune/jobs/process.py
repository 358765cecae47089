"""A process that computes jobs, one at a time, and can be killed at any moment.

Potentials take seconds to load, so a process stays for the next job. It has a lower priority than the server, and where
memory runs out, Linux ends it before the server.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic
from typing import Any

from kappatune.jobs.tasks import ProcessSpec

POLL_S = 0.1
"""How often a caller looks whether it shall stop, s."""

_NICENESS = 10
_OOM_SCORE = "1000"


def _ignore(event: object) -> None:
    """Let an event pass."""


class Stopped(Exception):
    """The process was killed because its work is not wanted any more, or took too long."""


class ProcessDied(Exception):
    """The process ended while it worked."""


class TaskFailed(Exception):
    """The work raised an error; the message says which."""


class JobProcess:
    """A process that computes jobs.

    Attributes:
        spec: What it needs.
    """

    def __init__(self, spec: ProcessSpec) -> None:
        self.spec = spec
        self._process: Any = None
        self._connection: Connection | None = None

    def call(
        self,
        task: str,
        *arguments: Any,
        on_event: Callable[[Any], None] = _ignore,
        shall_stop: Callable[[], bool] = lambda: False,
        timeout_s: float = float("inf"),
    ) -> Any:
        """Let the process do a task, and wait for it.

        Args:
            task: Name of a method of `computation.Computation`.
            *arguments: Its arguments.
            on_event: Called with each event of the task.
            shall_stop: Asked ten times a second; if it says yes, the process is killed.
            timeout_s: After this time the process is killed, s.

        Returns:
            What the task returns.

        Raises:
            Stopped: `shall_stop` said yes.
            TimeoutError: The time is up.
            ProcessDied: The process ended.
            TaskFailed: The task raised an error.
        """
        deadline = monotonic() + timeout_s
        try:
            connection = self._start()
            connection.send((task, arguments))
            while True:
                if shall_stop():
                    self.kill()
                    raise Stopped
                if monotonic() > deadline:
                    self.kill()
                    raise TimeoutError
                if connection.poll(POLL_S):
                    kind, content = connection.recv()
                    if kind == "done":
                        return content
                    if kind == "failed":
                        raise TaskFailed(content)
                    on_event(content)
        except (EOFError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            self.kill()
            raise ProcessDied from error

    def _start(self) -> Connection:
        if self._process is not None and self._process.is_alive() and self._connection is not None:
            return self._connection
        self.kill()
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, self.spec), daemon=True)
        self._process.start()
        theirs.close()
        self._connection = ours
        return ours

    def kill(self) -> None:
        """End the process at once; the next call starts another one."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process.close()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None


def _work(connection: Connection, spec: ProcessSpec) -> None:
    """Do tasks until the server ends."""
    _lower_priority()
    from kappatune.jobs.computation import Computation
    from kappatune.processes import exit_with_parent, use_one_thread

    exit_with_parent()
    use_one_thread()
    computation = Computation(spec, lambda event: connection.send(("event", event)))
    while True:
        try:
            task, arguments = connection.recv()
        except EOFError:
            return
        try:
            connection.send(("done", getattr(computation, task)(*arguments)))
        except Exception as error:
            from kappatune.errors import UserError, unexpected

            text = str(error)
            if not isinstance(error, UserError):
                logging.getLogger(__name__).exception("%s failed", task)
                text = f"unexpectedly: {unexpected(error)}"
            connection.send(("failed", text))


def _lower_priority() -> None:
    """One thread, a low priority, the first to end where memory is short; Ctrl+C is for the server."""
    os.environ["OMP_NUM_THREADS"] = os.environ["RAYON_NUM_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError):
        os.nice(_NICENESS)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")
