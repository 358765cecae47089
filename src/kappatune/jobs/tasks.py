"""What a process of the queue is given, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from kappatune.jobs.record import JobCost, JobSummary, Kind


@dataclass(frozen=True)
class ProcessSpec:
    """What a process needs.

    Attributes:
        calculator: Name of the potential.
        model: Name or folder of the model whose predictions are verified.
        cache: Where verifications keep finished steps.
        max_forces: Force calculations of a verification.
    """

    calculator: str
    model: str
    cache: Path
    max_forces: int


class Loaded(NamedTuple):
    """A process that is ready.

    Attributes:
        potential: Name and version of the potential.
        fingerprint: Hash of the file it was made from, if any.
        kinds: What it can compute.
    """

    potential: str
    fingerprint: str
    kinds: tuple[Kind, ...]


class Estimated(NamedTuple):
    """A cost, or the reason why the crystal cannot be computed."""

    cost: JobCost | None
    reason: str | None


class Computed(NamedTuple):
    """What came of a job, and why it has no value if it has none."""

    summary: JobSummary
    reason: str | None
