"""The queue: jobs in order, each in a process, kept on disk; whoever watches is told of every change."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from kappatune.errors import UserError
from kappatune.jobs.estimator import Estimator, JobRefused
from kappatune.jobs.limits import JobLimits
from kappatune.jobs.process import JobProcess, ProcessDied, Stopped, TaskFailed
from kappatune.jobs.progress import ProgressClock
from kappatune.jobs.record import Job, JobCost, JobProgress, JobRequest, JobSummary, Kind, now
from kappatune.jobs.result import JobResult
from kappatune.jobs.store import JobStore
from kappatune.jobs.tasks import Computed, Estimated, ProcessSpec
from kappatune.structures import Crystal

MAX_ATTEMPTS = 5
"""A job during which the server died so often is not begun again."""

Watcher = Callable[[Job], None]

_log = logging.getLogger(__name__)


class JobQueue:
    """Jobs in the order in which they were asked for.

    All methods may be called from any thread. A job that was queued or running when its server ended is queued again;
    a verification continues from the steps it had finished.

    Attributes:
        limits: What is accepted.
        workers: Jobs that run at the same time.
        potential: Name and version of the potential.
        kinds: What can be computed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        calculator: str,
        model: str,
        model_hash: str = "",
        workers: int = 1,
        limits: JobLimits | None = None,
    ) -> None:
        """Open the folder, and load the potential once, so that errors are known before anything is promised.

        Args:
            folder: Where jobs are kept.
            calculator: Name of the potential, as `load_potential` takes it.
            model: Name or folder of the model whose predictions are verified.
            model_hash: Hash of its weights, on which the verdict of a verification depends.
            workers: Jobs that run at the same time, each in a process on one thread.
            limits: What is accepted.

        Raises:
            BadJobs: The folder cannot be used.
            BadPotential: The potential cannot be loaded.
        """
        self.limits, self.workers = limits or JobLimits(), workers
        self._store = JobStore(folder)
        spec = ProcessSpec(calculator, model, self._store.cache, self.limits.forces)
        self._estimator = Estimator(JobProcess(spec), self.limits)
        try:
            loaded = self._estimator.load()
        except BaseException:
            self._estimator.close()
            self._store.close()
            raise
        self.potential: str = loaded.potential
        self.kinds: tuple[Kind, ...] = loaded.kinds
        self._identity = (loaded.fingerprint, model_hash)
        self._processes = [JobProcess(spec) for _ in range(workers)]
        self._changed = threading.Condition()
        self._jobs: dict[str, Job] = {job.id: job for job in self._store.read_all()}
        self._queue: deque[str] = deque()
        self._cancelled: set[str] = set()
        self._watchers: list[Watcher] = []
        self._closing = False
        self._threads: list[threading.Thread] = []
        self._take_up()

    def _take_up(self) -> None:
        """Queue what an earlier server left unfinished."""
        for job in list(self._jobs.values()):
            if job.state == "done" and self._store.result(job) is None:
                self._put(job.changed(state="failed", reason="its result is missing or damaged: ask for it again"))
            if job.has_ended:
                continue
            if job.attempts >= MAX_ATTEMPTS:
                reason = (
                    f"the server ended {MAX_ATTEMPTS} times while it worked on this job: it may need more memory than "
                    "there is; asked for again, it continues from the steps it had finished"
                )
                self._put(job.changed(state="failed", ended=now(), reason=reason))
                continue
            self._queue.append(job.id)
            self._put(job.changed(state="queued", started=None))

    def start(self) -> None:
        """Begin to work."""
        for process in self._processes:
            thread = threading.Thread(target=self._work, args=(process,), name="job", daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        """Stop working. Jobs that run are queued again, and begin when a queue opens the folder again."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        for process in self._processes:
            process.kill()
        self._estimator.close()
        self._store.close()

    # what clients ask for

    def estimate(self, request: JobRequest, crystal: Crystal) -> Future[Estimated]:
        """What a job would cost, or why it cannot be computed; it does not wait for jobs that run.

        Raises:
            JobRefused: The crystal is too large, or too many others wait for an estimate.
        """
        self._check(request, crystal)
        return self._estimator.estimate(self._new(request, crystal).id, request, crystal)

    def submit(self, request: JobRequest, crystal: Crystal) -> tuple[Job, bool]:
        """Ask for a job.

        Returns:
            The job, and whether it was queued by this call; it was not if the same one is queued, running or done.

        Raises:
            JobRefused: The crystal is too large, or the queue is full.
        """
        self._check(request, crystal)
        with self._changed:
            job = self._new(request, crystal)
            known = self._jobs.get(job.id)
            if known is not None and not known.may_be_asked_again:
                self._cancelled.discard(known.id)  # a cancel that has not ended it yet is taken back
                return self._shown(known), False
            if len(self._queue) >= self.limits.queue:
                raise JobRefused(f"{len(self._queue)} jobs are waiting, and no more can: try again later")
            job = job.changed(cost=self._estimator.known(job.id))
            try:
                self._store.add(job, crystal)
            except OSError as error:
                raise JobRefused(f"the server cannot store the job ({error.strerror}): try again later") from error
            self._cancelled.discard(job.id)
            self._jobs.pop(job.id, None)
            self._queue.append(job.id)
            self._put(job)
            self._forget_ended()
            self._changed.notify()
            return self._shown(job), True

    def cancel(self, job_id: str) -> Job | None:
        """Cancel a job; one that has ended stays as it is. None if there is no such job."""
        with self._changed:
            job = self._jobs.get(job_id)
            if job is None or job.has_ended:
                return job
            if job.state == "running":
                self._cancelled.add(job_id)  # its thread kills the process
                return self._shown(job)
            self._queue.remove(job_id)
            self._put(job.changed(state="cancelled", ended=now(), reason="cancelled before it began"))
            self._tell_positions()
            return self._jobs[job_id]

    def job(self, job_id: str) -> Job | None:
        """A job, or None if there is no such one."""
        with self._changed:
            job = self._jobs.get(job_id)
            return None if job is None else self._shown(job)

    def jobs(self) -> list[Job]:
        """All jobs, newest first."""
        with self._changed:
            return [self._shown(job) for job in reversed(self._jobs.values())]

    def find(self, request: JobRequest, crystal: Crystal) -> Job | None:
        """The job of the same request for the same crystal, if there is one."""
        return self.job(self._new(request, crystal).id)

    def crystal(self, structure_key: str) -> Crystal | None:
        """The crystal of a job by its hash, if a job has it."""
        job = next((job for job in self.jobs() if job.crystal == structure_key), None)
        return None if job is None else self._store.crystal(job)

    def result(self, job: Job) -> JobResult | None:
        """The result of a job, or None if it has none."""
        content = self._store.result(job) if job.state == "done" else None
        return None if content is None else JobResult.model_validate({"job": job, **content})

    def file(self, job: Job, name: str) -> Path | None:
        """The path of a file of a result, or None if there is no such file."""
        return self._store.file(job, name) if job.state == "done" else None

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Have a function called with every job that changes, from any thread.

        Returns:
            Ends it.

        Raises:
            JobRefused: Too many watch already.
        """
        with self._changed:
            if len(self._watchers) >= self.limits.watchers:
                raise JobRefused(f"{len(self._watchers)} clients follow jobs already: try again later")
            self._watchers.append(watcher)

        def end() -> None:
            with self._changed:
                if watcher in self._watchers:
                    self._watchers.remove(watcher)

        return end

    def waiting_seconds(self) -> float:
        """About how long the jobs take that run or wait, s; those of unknown cost count as nothing."""
        with self._changed:
            active = [job for job in self._jobs.values() if not job.has_ended]
            left = [
                job.progress.seconds_left
                if job.progress and job.progress.seconds_left is not None
                else (job.cost.seconds if job.cost and job.state == "queued" else 0.0)
                for job in active
            ]
            return sum(left) / self.workers

    # how it works

    def _new(self, request: JobRequest, crystal: Crystal) -> Job:
        return Job.of(request, crystal, self.potential, *self._identity)

    def _check(self, request: JobRequest, crystal: Crystal) -> None:
        if request.kind not in self.kinds:
            raise JobRefused("this server cannot verify, for phono3py is not installed there", too_large=True)
        if crystal.n_atoms > self.limits.atoms:
            raise JobRefused(
                f"the cell has {crystal.n_atoms:,} atoms and this server computes up to {self.limits.atoms:,}: "
                "give the primitive cell, or use the command line",
                too_large=True,
            )

    def _put(self, job: Job) -> None:
        """Keep a job, and tell the watchers. The caller holds the lock, or is alone."""
        try:
            self._store.save(job)
        except OSError:
            _log.exception("job %s cannot be stored", job.id)
        self._show(job)

    def _show(self, job: Job) -> None:
        self._jobs[job.id] = job
        shown = self._shown(job)
        for watcher in self._watchers:
            watcher(shown)

    def _shown(self, job: Job) -> Job:
        return job.changed(position=self._queue.index(job.id) + 1) if job.state == "queued" else job

    def _tell_positions(self) -> None:
        for job_id in self._queue:
            self._show(self._jobs[job_id])

    def _forget_ended(self) -> None:
        """Forget the oldest jobs without a result, where there are many."""
        ended = [job for job in self._jobs.values() if job.state in {"failed", "cancelled"}]
        for job in ended[: max(0, len(ended) - self.limits.ended)]:
            del self._jobs[job.id]
            self._store.forget(job)

    def _work(self, process: JobProcess) -> None:
        while (job := self._take()) is not None:
            try:
                self._run(job, process)
            except Exception as error:
                _log.exception("job %s failed", job.id)
                self._end(job.id, state="failed", reason=f"the server failed on this job ({type(error).__name__})")

    def _take(self) -> Job | None:
        """The next job, once there is one; None when the queue closes."""
        with self._changed:
            while not self._queue and not self._closing:
                self._changed.wait()
            if self._closing:
                return None
            job = self._jobs[self._queue.popleft()]
            progress = JobProgress(step="starting", text="starting")
            job = job.changed(state="running", started=now(), attempts=job.attempts + 1, progress=progress)
            self._put(job)
            self._tell_positions()
            return job

    def _run(self, job: Job, process: JobProcess) -> None:
        clock = ProgressClock()

        def note(event: JobCost | JobProgress) -> None:
            with self._changed:
                current = self._jobs[job.id]
                changed = current.changed(**clock.changes(event, current.cost))
                if isinstance(event, JobCost):
                    self._put(changed)
                elif clock.is_worth_telling(event):
                    self._show(changed)

        try:
            crystal = self._store.crystal(job)
            computed: Computed = process.call(
                "compute",
                job.request,
                crystal,
                self._store.folder_of(job.id),
                on_event=note,
                shall_stop=lambda: self._closing or job.id in self._cancelled,
                timeout_s=self.limits.job_s,
            )
        except Stopped:
            self._stopped(job)
        except TimeoutError:
            hours = self.limits.job_s / 3600
            self._end(job.id, state="failed", reason=f"it took more than {hours:.3g} h, the longest this server works")
        except ProcessDied:
            reason = "the process died while working on this job: it may need more memory than there is"
            self._end(job.id, state="failed", reason=reason)
        except (TaskFailed, UserError) as error:
            self._end(job.id, state="failed", reason=str(error))
        else:
            self._end(job.id, state="done", reason=computed.reason, summary=computed.summary)

    def _stopped(self, job: Job) -> None:
        with self._changed:
            if job.id in self._cancelled:
                self._end(job.id, state="cancelled", reason="cancelled while it ran; finished steps are kept")
                return
            current = self._jobs[job.id]
            self._queue.appendleft(job.id)
            again = current.changed(state="queued", started=None, attempts=current.attempts - 1, progress=None)
            self._put(again)

    def _end(self, job_id: str, *, state: str, reason: str | None, summary: JobSummary | None = None) -> None:
        with self._changed:
            self._cancelled.discard(job_id)
            ended = self._jobs[job_id].changed(state=state, ended=now(), reason=reason, summary=summary, progress=None)
            self._put(ended)
