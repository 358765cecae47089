"""`/api/v1/model`, `/api/v1/labels` and `/healthz`: the model, its evidence, and the state of the server."""

from __future__ import annotations

import math
from statistics import mean
from typing import Any

from fastapi import APIRouter

from kappatune import __version__
from kappatune.jobs.limits import JobLimits
from kappatune.jobs.queue import JobQueue
from kappatune.jobs.record import Kind
from kappatune.model.card import ModelCard
from kappatune.model.evidence import Evidence, interval_note
from kappatune.verification.settings import QUALITIES
from kappatune.web.predict_api import ERROR_RESPONSES
from kappatune.web.schemas import ApiModel, Health, LabelsAnswer
from kappatune.web.service import ServiceDep

_ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {status: ERROR_RESPONSES[status] for status in (401, 403)}

router = APIRouter(prefix="/api/v1", tags=["model"], responses=_ERROR_RESPONSES)
health = APIRouter(tags=["model"], responses={403: ERROR_RESPONSES[403]})


class TrainedOn(ApiModel):
    """A table the model was trained on."""

    stage: str
    file: str
    fidelity: str
    sources: list[str]
    n_rows: int
    n_left_out: int
    sha256: str


class StageErrors(ApiModel):
    """Validation errors of a training stage: the mean absolute error of `what`, usually ln kappa, of each member."""

    stage: str
    what: str
    errors: list[float]
    mean: float | None
    factor: float | None


class Rung(ApiModel):
    """A rung of the model, with the number of formulas and elements it was trained on."""

    fidelity: str
    n_formulas: int
    n_elements: int
    interval: str


class ServedLimits(ApiModel):
    """What one request may hold."""

    files: int
    crystals: int
    body_bytes: int
    file_bytes: int
    atoms_per_crystal: int


class ServedJobs(ApiModel):
    """What this server computes beside predictions: with which potential, how accurately, how much at a time."""

    potential: str
    kinds: list[Kind]
    qualities: list[str]
    workers: int
    limits: JobLimits


class ModelAnswer(ApiModel):
    """The model card and the evidence; whether crystals are kept across restarts, and what is computed."""

    kappatune: str
    name: str
    created: str
    description: str
    default_fidelity: str
    rungs: list[Rung]
    n_members: int
    host: str
    host_source: str
    cutoff_angstrom: float
    composition: str
    recipe: str
    data: list[TrainedOn]
    stages: list[StageErrors]
    versions: dict[str, str]
    licence: str
    weights_sha256: str
    evidence: Evidence | None
    limits: ServedLimits
    has_scan: bool
    keeps: bool
    compute: ServedJobs | None


@router.get("/model", summary="The model card and the evidence")
async def model(service: ServiceDep) -> ModelAnswer:
    """The model card, with benchmark results and calibration if they came with the model."""
    card, limits = service.model.card, service.limits
    return ModelAnswer(
        kappatune=__version__,
        name=card.name,
        created=card.created,
        description=card.description.strip(),
        default_fidelity=service.model.default_fidelity,
        rungs=[
            Rung(
                fidelity=fidelity,
                n_formulas=len(card.formulas.get(fidelity, [])),
                n_elements=len(card.elements.get(fidelity, [])),
                interval=interval_note(service.evidence, fidelity, card.calibration.get(fidelity)),
            )
            for fidelity in card.fidelities
        ],
        n_members=len(card.members),
        host=card.host.name,
        host_source=card.host.source,
        cutoff_angstrom=service.model.cutoff,
        composition=card.composition,
        recipe=card.recipe_name,
        data=[TrainedOn(**table.model_dump(include=set(TrainedOn.model_fields))) for table in card.data],
        stages=_stages(card),
        versions=card.versions,
        licence=card.licence,
        weights_sha256=card.weights_sha256,
        evidence=service.evidence,
        limits=ServedLimits(**limits.model_dump(include=set(ServedLimits.model_fields))),
        has_scan=service.scan is not None,
        keeps=service.kept.survives,
        compute=None if service.jobs is None else _served_jobs(service.jobs),
    )


def _served_jobs(jobs: JobQueue) -> ServedJobs:
    return ServedJobs(
        potential=jobs.potential,
        kinds=list(jobs.kinds),
        qualities=list(QUALITIES),
        workers=jobs.workers,
        limits=jobs.limits,
    )


def _stages(card: ModelCard) -> list[StageErrors]:
    results = []
    for stage, members in card.metrics.items():
        errors = [member["validation_error"] for member in members if member.get("validation_error") is not None]
        average = mean(errors) if errors else None
        pretrained = card.pretrained_columns.get(stage)
        results.append(
            StageErrors(
                stage=stage,
                what=pretrained or "ln kappa",
                errors=errors,
                mean=average,
                factor=None if average is None or pretrained else math.exp(average),
            )
        )
    return results


@router.get("/labels", summary="The labelled crystals that predictions are compared with")
async def labels(service: ServiceDep) -> LabelsAnswer:
    """Values at 300 K from the tables that come with kappatune, and from the one given by `--labels`."""
    return service.reference.values


@health.get("/healthz", summary="State of the server")
async def healthz(service: ServiceDep) -> Health:
    """For load balancers; needs no token."""
    return Health(
        version=__version__,
        model=service.model.card.name,
        batches=service.batcher.batches,
        crystals=service.batcher.crystals,
    )
