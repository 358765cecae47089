"""`/api/v1/jobs`: what takes seconds to hours is computed in a queue."""

from __future__ import annotations

import asyncio
import mimetypes
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import Field, ValidationError

from kappatune.jobs.estimator import JobRefused
from kappatune.jobs.queue import JobQueue
from kappatune.jobs.record import ID_PATTERN, Job, JobCost, JobRequest, Kind, Quality, State
from kappatune.jobs.result import JobResult
from kappatune.structures import Crystal, Rejection
from kappatune.structures.plain import Structure
from kappatune.verification.cost import format_duration
from kappatune.web.crystals_api import known_crystal
from kappatune.web.limits import RequestError
from kappatune.web.predict_api import ERROR_RESPONSES, MGO
from kappatune.web.prediction_stream import crystal_of
from kappatune.web.request_body import read_json, validation_message
from kappatune.web.schemas import ApiModel, Problem
from kappatune.web.service import Service, ServiceDep

EVENT_STREAM = "text/event-stream"
MOST_LISTED = 200
_RETRY_S = 30

_RESPONSES: dict[int | str, dict[str, Any]] = {
    **{status: ERROR_RESPONSES[status] for status in (401, 403, 413, 422, 503)},
    404: {"model": Problem, "description": "The server computes nothing, or has no such job, crystal or file."},
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/JobBody"},
                "examples": {
                    "structure": {"value": {"kind": "verify", "quality": "quick", "structure": MGO}},
                    "address": {"value": {"kind": "agl", "crystal": "6c1e1b2d3a4f5061"}},
                },
            }
        },
    }
}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {EVENT_STREAM: {"schema": {"type": "string"}}},
        "description": "`event: job` with a `Job` as data at every change; `event: end` once the job has ended.",
    }
}

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"], responses=_RESPONSES)


class JobBody(ApiModel):
    """A job to compute or to estimate.

    Attributes:
        kind: `agl`, the Debye-Grüneisen model (seconds), or `verify`, phonons and a verdict (minutes).
        quality: Accuracy of `verify`, `quick` by default; `agl` has none.
        structure: The crystal.
        crystal: Its hash instead, if it is known here (`/crystals/HASH`).
    """

    kind: Kind
    quality: Quality | None = None
    structure: Structure | None = None
    crystal: str | None = Field(default=None, pattern="^[0-9a-f]{16}$")


class Estimate(ApiModel):
    """What a job would cost.

    Attributes:
        cost: Its cost; null if there is no estimate.
        allowed: Whether the server would compute it.
        reason: Why not.
        text: The cost in a line.
        waiting_s: About how long the jobs take that run or wait, s.
        job: The job of the same request, if there is one.
    """

    cost: JobCost | None
    allowed: bool
    reason: str | None
    text: str
    waiting_s: float
    job: Job | None


class JobList(ApiModel):
    """Jobs, newest first, and how many wait and run."""

    jobs: list[Job]
    queued: int
    running: int


def _job_queue(service: ServiceDep) -> JobQueue:
    if service.jobs is None:
        raise RequestError(404, "this server computes nothing: start it with `kappatune serve --compute`")
    return service.jobs


JobQueueDep = Annotated[JobQueue, Depends(_job_queue)]
JobId = Annotated[str, Path(pattern=f"^{ID_PATTERN}$", examples=["verify-9f86d081884c7d65"])]


def _job(jobs: JobQueue, job_id: str) -> Job:
    job = jobs.job(job_id)
    if job is None:
        raise RequestError(404, f"there is no job {job_id}")
    return job


async def _asked(request: Request, service: Service) -> tuple[JobRequest, Crystal]:
    body = await read_json(request, service.limits, JobBody)
    try:
        asked = JobRequest(kind=body.kind, quality=body.quality)
    except ValidationError as error:
        raise RequestError(422, validation_message(error.errors())) from error
    if (body.structure is None) == (body.crystal is None):
        raise RequestError(422, "give one of structure and crystal")
    if body.structure is None:
        assert body.crystal is not None
        return asked, await asyncio.to_thread(known_crystal, service, body.crystal)
    entry = await asyncio.to_thread(crystal_of, body.structure, 1, service.limits)
    if isinstance(entry, Rejection):
        raise RequestError(422, f"{entry.id}: {entry.reason}")
    return asked, entry


def _refusal(refused: JobRefused) -> RequestError:
    return RequestError(413, str(refused)) if refused.too_large else RequestError(503, str(refused), _RETRY_S)


@router.post("/estimate", summary="What a job would cost", openapi_extra=_BODY)
async def estimate(request: Request, service: ServiceDep, jobs: JobQueueDep) -> Estimate:
    """The potential is evaluated a few times, beside the jobs that run; the answer takes seconds."""
    asked, crystal = await _asked(request, service)
    try:
        found = await asyncio.shield(asyncio.wrap_future(jobs.estimate(asked, crystal)))
    except JobRefused as refused:
        raise _refusal(refused) from refused
    return Estimate(
        cost=found.cost,
        allowed=found.cost is not None,
        reason=found.reason,
        text=found.reason or _in_words(asked, found.cost),
        waiting_s=jobs.waiting_seconds(),
        job=jobs.find(asked, crystal),
    )


def _in_words(asked: JobRequest, cost: JobCost | None) -> str:
    assert cost is not None
    duration = format_duration(cost.seconds)
    if asked.kind == "agl":
        return f"about {cost.n_forces} evaluations of {cost.n_atoms} atoms, about {duration}"
    memory = f" and {cost.memory_gb:.1f} GB" if cost.memory_gb else ""
    return f"{cost.n_forces} force calculations of {cost.n_atoms} atoms, about {duration}{memory}"


@router.post(
    "",
    summary="Ask for a job",
    openapi_extra=_BODY,
    status_code=202,
    responses={200: {"model": Job, "description": "The same job is queued, running or done."}},
)
async def submit(request: Request, response: Response, service: ServiceDep, jobs: JobQueueDep) -> Job:
    """The same request for the same crystal is the same job. One that failed or was cancelled is queued again."""
    asked, crystal = await _asked(request, service)
    try:
        job, is_new = await asyncio.to_thread(jobs.submit, asked, crystal)
    except JobRefused as refused:
        raise _refusal(refused) from refused
    if not is_new:
        response.status_code = 200
    return job


@router.get("", summary="Jobs, newest first")
async def list_jobs(
    jobs: JobQueueDep,
    crystal: Annotated[str | None, Query(pattern="^[0-9a-f]{16}$", description="Hash of a crystal.")] = None,
    state: Annotated[State | None, Query(description="Only jobs in this state.")] = None,
) -> JobList:
    """At most 200."""
    found = jobs.jobs()
    chosen = [job for job in found if crystal in {None, job.crystal} and state in {None, job.state}]
    return JobList(
        jobs=chosen[:MOST_LISTED],
        queued=sum(job.state == "queued" for job in found),
        running=sum(job.state == "running" for job in found),
    )


@router.get("/events", summary="Progress of all jobs", responses=_STREAM, response_class=StreamingResponse)
async def all_events(service: ServiceDep, jobs: JobQueueDep) -> StreamingResponse:
    """Server-sent events: every job that waits or runs at once, then every change; without end."""
    return await _stream(service, jobs, None)


@router.get("/{job_id}", summary="A job")
async def job(jobs: JobQueueDep, job_id: JobId) -> Job:
    """Its state, its cost and how far it is."""
    return _job(jobs, job_id)


@router.post("/{job_id}/cancel", summary="Cancel a job")
async def cancel(jobs: JobQueueDep, job_id: JobId) -> Job:
    """One that runs ends within a second; one that has ended stays as it is."""
    found = _job(jobs, job_id)
    return await asyncio.to_thread(jobs.cancel, found.id) or found


@router.get(
    "/{job_id}/result",
    summary="The result of a job",
    responses={409: {"model": Problem, "description": "The job has no result, or none yet."}},
)
async def result(jobs: JobQueueDep, job_id: JobId) -> JobResult:
    """Row, figures as numbers, and names of files."""
    found = _job(jobs, job_id)
    content = await asyncio.to_thread(jobs.result, found)
    if content is None:
        raise RequestError(409, f"job {found.id} has no result: it is {found.state}")
    return content


@router.get("/{job_id}/files/{name}", summary="A file of a result", response_class=FileResponse)
async def file(jobs: JobQueueDep, job_id: JobId, name: Annotated[str, Path(max_length=120)]) -> FileResponse:
    """To download, as named by the result."""
    found = _job(jobs, job_id)
    path = await asyncio.to_thread(jobs.file, found, name)
    if path is None:
        raise RequestError(404, f"job {found.id} has no such file")
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return FileResponse(path, media_type=media_type, filename=f"{found.formula}-{found.id}-{name}")


@router.get("/{job_id}/events", summary="Progress of a job", responses=_STREAM, response_class=StreamingResponse)
async def events(service: ServiceDep, jobs: JobQueueDep, job_id: JobId) -> StreamingResponse:
    """Server-sent events: the job at once and at every change, until it has ended."""
    return await _stream(service, jobs, _job(jobs, job_id).id)


async def _stream(service: Service, jobs: JobQueue, job_id: str | None) -> StreamingResponse:
    try:
        return StreamingResponse(await service.streams.open(jobs, job_id), media_type=EVENT_STREAM)
    except JobRefused as refused:
        raise _refusal(refused) from refused
