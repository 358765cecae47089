"""A job as it is stored and shown: what is asked for, how far it is, and what came of it in a few numbers."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kappatune.structures import Crystal
from kappatune.structures.identity import structure_hash

Kind = Literal["agl", "verify"]
Quality = Literal["quick", "standard", "converged"]
State = Literal["queued", "running", "done", "failed", "cancelled"]

ID_PATTERN = r"(agl|verify)-[0-9a-f]{16}"
"""What the name of a job looks like, which is also that of its folder."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class JobRequest(_Record):
    """What is to be computed.

    Attributes:
        kind: `agl`, the Debye-Grüneisen model, or `verify`, phonons and the verdict on the prediction.
        quality: Accuracy of `verify`, `quick` by default; `agl` has none.
    """

    kind: Kind
    quality: Quality | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_quality(cls, given: object) -> object:
        if isinstance(given, dict) and given.get("kind") == "verify" and given.get("quality") is None:
            return {**given, "quality": "quick"}
        return given

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.kind == "agl" and self.quality is not None:
            raise ValueError("agl has no quality: leave it out")
        return self


class JobCost(_Record):
    """What a job will cost.

    Attributes:
        n_forces: Force calculations in all; for `agl` about how often the primitive cell is evaluated.
        n_atoms: Atoms of the supercell for third order; for `agl` those of the primitive cell.
        n_harmonic_atoms: Atoms of the supercell for second order; null for `agl`.
        seconds_per_force: One force calculation of `n_atoms`, measured, s.
        seconds: The whole job, s.
        memory_gb: Peak memory, 10^9 bytes; null for `agl`, which needs little more than the potential.
    """

    n_forces: int
    n_atoms: int
    n_harmonic_atoms: int | None = None
    seconds_per_force: float
    seconds: float
    memory_gb: float | None = None


class JobProgress(_Record):
    """How far a running job is.

    Attributes:
        step: What it is doing.
        done: Displaced cells whose forces are known.
        total: Displaced cells in all.
        text: The same in words.
        seconds_left: About how long it will still take, s; null where that is not known.
    """

    step: str
    done: int | None = None
    total: int | None = None
    text: str
    seconds_left: float | None = None


class JobSummary(_Record):
    """What came of a job.

    Attributes:
        kappa_w_mk: Lattice thermal conductivity at 300 K, W/(m K); null where there is none.
        outcome: `answered`, or what prevented a value.
        verdict: Of a verification: what the value says about the prediction.
        because: The same in a sentence.
        best_w_mk: Best estimate from prediction and phonon value, W/(m K); null if the potential is not calibrated.
        best_lower_w_mk: Lower end of its interval, W/(m K).
        best_upper_w_mk: Upper end, W/(m K).
    """

    kappa_w_mk: float | None = None
    outcome: str = "answered"
    verdict: str | None = None
    because: str | None = None
    best_w_mk: float | None = None
    best_lower_w_mk: float | None = None
    best_upper_w_mk: float | None = None


class Job(_Record):
    """A job.

    Attributes:
        id: Its name: the same request for the same crystal has the same one.
        kind: `agl` or `verify`.
        quality: Accuracy of `verify`.
        crystal: Hash of the crystal as given (`structures.identity.structure_hash`).
        name: Name of the crystal.
        formula: Reduced formula.
        n_atoms: Atoms of the cell as given.
        potential: The potential.
        state: `queued`, `running`, `done`, `failed` or `cancelled`. A crystal for which the method gives no value is
            `done`, with a reason.
        position: Place in the queue, from 1; null unless queued.
        created: When it was asked for, UTC.
        started: When it began to run.
        ended: When it ended.
        attempts: How often it was begun: more than once if the server died while it ran.
        cost: What it will cost.
        progress: How far it is; null unless running.
        reason: Why there is no value, in a sentence.
        summary: What came of it.
    """

    id: str = Field(pattern=f"^{ID_PATTERN}$")
    kind: Kind
    quality: Quality | None = None
    crystal: str
    name: str
    formula: str
    n_atoms: int
    potential: str
    state: State = "queued"
    position: int | None = None
    created: str
    started: str | None = None
    ended: str | None = None
    attempts: int = 0
    cost: JobCost | None = None
    progress: JobProgress | None = None
    reason: str | None = None
    summary: JobSummary | None = None

    @classmethod
    def of(cls, request: JobRequest, crystal: Crystal, potential: str, *identity: str) -> Self:
        """A new job.

        Args:
            request: What is asked for.
            crystal: The crystal.
            potential: Name and version of the potential.
            *identity: What else the result depends on: hashes of potential and model.
        """
        key = structure_hash(crystal)
        parts = [request.model_dump(mode="json"), key, potential, *identity]
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
        return cls(
            id=f"{request.kind}-{digest}",
            kind=request.kind,
            quality=request.quality,
            crystal=key,
            name=crystal.id,
            formula=crystal.formula,
            n_atoms=crystal.n_atoms,
            potential=potential,
            created=now(),
        )

    @property
    def request(self) -> JobRequest:
        """What was asked for."""
        return JobRequest(kind=self.kind, quality=self.quality)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen to it unless it is asked for again."""
        return self.state in {"done", "failed", "cancelled"}

    @property
    def may_be_asked_again(self) -> bool:
        """Whether another try may end otherwise: what failed, was cancelled, or was beyond the limits of then."""
        outcome = self.summary.outcome if self.summary else None
        return self.state in {"failed", "cancelled"} or (self.state == "done" and outcome in {"failed", "too large"})

    def changed(self, **fields: object) -> Self:
        """The same job with other values."""
        return self.model_copy(update=fields)


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
