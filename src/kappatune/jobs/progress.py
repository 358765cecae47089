"""How far a job is, and how long it will still take."""

from __future__ import annotations

from time import monotonic
from typing import Any

from kappatune.jobs.record import JobCost, JobProgress

TELL_EVERY_S = 0.25
"""Forces may come a hundred times a second; watchers are told so often."""


class ProgressClock:
    """The times of one run of a job, from which the time left follows."""

    def __init__(self) -> None:
        self._began = monotonic()
        self._forces_began: tuple[float, int] | None = None
        self._told = 0.0
        self._step = ""

    def changes(self, event: JobCost | JobProgress, cost: JobCost | None) -> dict[str, Any]:
        """The fields of a job that an event changes.

        Args:
            event: A cost, or how far the job is.
            cost: What the job was said to cost.
        """
        if isinstance(event, JobCost):
            return {"cost": event}
        return {"progress": event.model_copy(update={"seconds_left": self._seconds_left(event, cost)})}

    def is_worth_telling(self, event: JobProgress) -> bool:
        """Whether watchers shall learn of an event: of every step, and of forces a few times a second."""
        new_step = event.step != self._step or event.done == event.total
        if not new_step and monotonic() - self._told < TELL_EVERY_S:
            return False
        self._told, self._step = monotonic(), event.step
        return True

    def _seconds_left(self, event: JobProgress, cost: JobCost | None) -> float | None:
        """By the rate of forces since this run began, for those on disk take no time; before them by the estimate."""
        elapsed = monotonic() - self._began
        if event.done is None or event.total is None:
            return None if cost is None else max(0.0, cost.seconds - elapsed)
        if self._forces_began is None:
            self._forces_began = (monotonic(), event.done)
        began, done_before = self._forces_began
        n_new = event.done - done_before
        if n_new < 3:
            return None if cost is None else max(0.0, cost.seconds - elapsed)
        return (event.total - event.done) * (monotonic() - began) / n_new
