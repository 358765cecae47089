"""Queues with potentials that take no time, or all of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from ase.build import bulk

from kappatune.errors import UserError
from kappatune.jobs.computation import Computation
from kappatune.jobs.limits import JobLimits
from kappatune.jobs.process import TaskFailed
from kappatune.jobs.queue import JobQueue
from kappatune.jobs.record import Job, JobRequest
from kappatune.jobs.tasks import ProcessSpec
from kappatune.structures import Crystal
from tests import toy_potentials as toy

AGL, VERIFY = JobRequest(kind="agl"), JobRequest(kind="verify", quality="quick")
LIMITS = JobLimits(queue=5, atoms=20, ended=4)


def copper(a: float = 3.6, id: str = "cu") -> Crystal:
    return Crystal.from_ase(bulk("Cu", "fcc", a), id=id)


def gold() -> Crystal:
    """Kills the process of the potential `killer`."""
    return Crystal.from_ase(bulk("Au", "fcc", 4.08), id="au")


def huge(n: int = 21) -> Crystal:
    """More atoms than the queue takes."""
    return Crystal(np.diag([3.0 * n, 3.0, 3.0]), np.full(n, 29), np.arange(n)[:, None] / n * [1.0, 0.0, 0.0], id="huge")


class SameProcess:
    """Does the work of a `JobProcess` here and now, which saves the start of a process where none has to be killed."""

    def __init__(self, spec: ProcessSpec) -> None:
        self.spec = spec

    def call(self, task: str, *arguments: Any, on_event: Callable[[Any], None] = print, **_: object) -> Any:
        try:
            return getattr(Computation(self.spec, on_event), task)(*arguments)
        except UserError as error:
            raise TaskFailed(str(error)) from error

    def kill(self) -> None:
        """There is nothing to kill."""


@contextmanager
def queue(
    folder: Path, potential: str = "copper", *, start: bool = True, own_processes: bool = False, **options
) -> Iterator[JobQueue]:
    """A queue that computes in this process, or in processes of its own."""
    options = {"calculator": f"{toy.__file__}:{potential}", "model": "fast", "limits": LIMITS, **options}
    if own_processes:
        opened = JobQueue(folder, **options)
    else:
        with patch("kappatune.jobs.queue.JobProcess", SameProcess):
            opened = JobQueue(folder, **options)
    try:
        if start:
            opened.start()
        yield opened
    finally:
        opened.close()


def wait_until(condition: Callable[[], object], seconds: float = 300.0) -> None:
    """Wait for a condition.

    Raises:
        TimeoutError: It does not come.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.05)


def ended(opened: JobQueue, job_id: str, seconds: float = 300.0) -> Job:
    """A job once it has ended."""

    def has_ended() -> bool:
        job = opened.job(job_id)
        return job is not None and job.has_ended

    wait_until(has_ended, seconds)
    job = opened.job(job_id)
    assert job is not None
    return job
