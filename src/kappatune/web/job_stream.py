"""Progress of jobs as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress

from kappatune.jobs.queue import JobQueue
from kappatune.jobs.record import Job

ALIVE_S = 15.0
"""A stream without news says so often that it is alive, so that no proxy closes it."""

END = "event: end\ndata: {}\n\n"
_ALIVE = ": alive\n\n"


class _Watcher:
    """The latest state of each job that changed; a slow client misses steps and never the last one."""

    def __init__(self, wanted: str | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._wanted = wanted
        self._news: dict[str, Job] = {}
        self._something = asyncio.Event()
        self.ended = False

    def tell(self, job: Job) -> None:
        """Called by the queue, from any thread."""
        if self._wanted in {None, job.id}:
            with suppress(RuntimeError):  # the loop is closed: nobody listens any more
                self._loop.call_soon_threadsafe(self._note, job)

    def _note(self, job: Job) -> None:
        self._news[job.id] = job
        self._something.set()

    def end(self) -> None:
        """Let the stream end."""
        self.ended = True
        self._something.set()

    async def news(self) -> list[Job]:
        """What changed since the last call; empty if nothing did for a while."""
        try:
            async with asyncio.timeout(ALIVE_S):
                await self._something.wait()
        except TimeoutError:
            return []
        self._something.clear()
        news, self._news = self._news, {}
        return [*news.values()]


class JobStreams:
    """The streams that are open, which end when the server stops."""

    def __init__(self) -> None:
        self._open: set[_Watcher] = set()
        self._stopping = False

    def end(self) -> None:
        """End all streams, and those that are opened later."""
        self._stopping = True
        for watcher in self._open:
            watcher.end()

    async def open(self, queue: JobQueue, job_id: str | None = None) -> AsyncGenerator[str, None]:
        """The events of one job until it has ended, or of all jobs.

        Args:
            queue: The queue.
            job_id: Of the job; None follows all.

        Raises:
            kappatune.jobs.estimator.JobRefused: Too many follow jobs already.
        """
        watcher = _Watcher(job_id)
        stop_watching = queue.watch(watcher.tell)
        self._open.add(watcher)
        if self._stopping:
            watcher.end()
        events = self._events(queue, job_id, watcher, stop_watching)
        await anext(events)  # one that has begun is closed even if nobody reads it; one that has not would stay forever
        return events

    async def _events(
        self, queue: JobQueue, job_id: str | None, watcher: _Watcher, stop_watching: Callable[[], None]
    ) -> AsyncGenerator[str, None]:
        try:
            yield _ALIVE
            known = [queue.job(job_id)] if job_id else [job for job in queue.jobs() if not job.has_ended]
            news = [job for job in known if job is not None]
            while True:
                for job in news:
                    yield f"event: job\ndata: {job.model_dump_json()}\n\n"
                    if job_id and job.has_ended:
                        yield END
                        return
                if watcher.ended:
                    return
                news = await watcher.news()
                if not news and not watcher.ended:
                    yield _ALIVE
        finally:
            stop_watching()
            self._open.discard(watcher)
