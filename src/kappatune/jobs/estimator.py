"""A process that estimates costs beside the jobs, so that nobody waits for a long job to learn a cost."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

from kappatune.errors import UserError
from kappatune.jobs.limits import JobLimits
from kappatune.jobs.process import JobProcess, ProcessDied, Stopped, TaskFailed
from kappatune.jobs.record import JobCost, JobRequest
from kappatune.jobs.tasks import Estimated, Loaded
from kappatune.potentials import BadPotential
from kappatune.structures import Crystal

REMEMBERED = 1_000
"""Estimates that are remembered."""


class JobRefused(UserError):
    """A job or an estimate that is not taken; the message says why.

    Attributes:
        too_large: Whether the crystal is too large, rather than the server busy.
    """

    def __init__(self, message: str, *, too_large: bool = False) -> None:
        super().__init__(message)
        self.too_large = too_large


class Estimator:
    """One estimate at a time; those made before are remembered."""

    def __init__(self, process: JobProcess, limits: JobLimits) -> None:
        self._process = process
        self._limits = limits
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="estimate")
        self._known: dict[str, Estimated] = {}
        self._waiting: dict[str, Future[Estimated]] = {}
        self._lock = threading.Lock()
        self._closing = False

    def load(self) -> Loaded:
        """Load the potential.

        Raises:
            BadPotential: It cannot be loaded.
        """
        try:
            loaded: Loaded = self._process.call("load")
        except (TaskFailed, ProcessDied) as error:
            raise BadPotential(str(error) or "the process that loads the potential died") from error
        return loaded

    def known(self, job_id: str) -> JobCost | None:
        """The cost of a job if it was estimated before."""
        found = self._known.get(job_id)
        return None if found is None else found.cost

    def estimate(self, job_id: str, request: JobRequest, crystal: Crystal) -> Future[Estimated]:
        """Estimate the cost of a job; the same one asked for twice is estimated once.

        Raises:
            JobRefused: Too many wait.
        """
        with self._lock:
            if job_id in self._known:
                done: Future[Estimated] = Future()
                done.set_result(self._known[job_id])
                return done
            self._waiting = {key: future for key, future in self._waiting.items() if not future.done()}
            if job_id in self._waiting:
                return self._waiting[job_id]
            if len(self._waiting) >= self._limits.estimates:
                raise JobRefused("too many estimates are being made: try again in a few seconds")
            future = self._thread.submit(self._estimate, job_id, request, crystal)
            self._waiting[job_id] = future
            return future

    def _estimate(self, job_id: str, request: JobRequest, crystal: Crystal) -> Estimated:
        seconds = self._limits.estimate_s
        try:
            estimated: Estimated = self._process.call(
                "estimate", request, crystal, timeout_s=seconds, shall_stop=lambda: self._closing
            )
        except TimeoutError:
            late = f"estimating the cost took more than {seconds:g} s: the crystal is too large, or the server busy"
            return Estimated(None, late)
        except ProcessDied:
            return Estimated(None, "the process that estimates costs died on this crystal: it is too large or harmful")
        except TaskFailed as error:
            return Estimated(None, f"the cost cannot be estimated ({error})")
        except Stopped:
            return Estimated(None, "the server is stopping")
        with self._lock:
            if len(self._known) >= REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[job_id] = estimated
        return estimated

    def close(self) -> None:
        """End the process."""
        self._closing = True
        self._thread.shutdown(cancel_futures=True)
        self._process.kill()
