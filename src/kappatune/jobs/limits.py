"""How much one job, and all of them together, may use."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt


class JobLimits(BaseModel):
    """What a queue accepts.

    Attributes:
        atoms: Atoms of the cell as given; a larger one is refused.
        forces: Force calculations of a verification; a crystal that needs more ends without a value.
        queue: Jobs that wait; a further one is refused.
        watchers: Clients that may follow progress at the same time.
        estimates: Estimates that wait or are made; a further one is refused.
        estimate_s: Longest time for the estimate of a cost, s.
        job_s: Longest time for a job, s.
        ended: Failed and cancelled jobs that are kept; the oldest are forgotten. Results are never forgotten.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    atoms: PositiveInt = 100
    forces: PositiveInt = 4_000
    queue: PositiveInt = 20
    watchers: PositiveInt = 64
    estimates: PositiveInt = 16
    estimate_s: PositiveFloat = 120.0
    job_s: PositiveFloat = 48 * 3600.0
    ended: PositiveInt = 1_000
