"""`/api/v1/model`, `/api/v1/labels` and `/healthz`: what answers, and what is known of it."""

from __future__ import annotations

import math
from statistics import mean
from typing import Any

from fastapi import APIRouter

from kappatune import __version__
from kappatune.model.bundle import ModelCard
from kappatune.model.evidence import Evidence, interval_note
from kappatune.web.predict_api import PROBLEMS
from kappatune.web.schemas import Health, LabelsAnswer, Wire
from kappatune.web.service import Serving

_ANSWERS: dict[int | str, dict[str, Any]] = {status: PROBLEMS[status] for status in (401, 403)}

router = APIRouter(prefix="/api/v1", tags=["model"], responses=_ANSWERS)
health = APIRouter(tags=["model"], responses={403: PROBLEMS[403]})


class TrainedOn(Wire):
    """A table the model was trained on."""

    stage: str
    file: str
    fidelity: str
    sources: list[str]
    n_rows: int
    n_left_out: int
    sha256: str


class StageResult(Wire):
    """Mean absolute error of ln kappa on the inner validation part of a stage, per member."""

    stage: str
    what: str
    errors: list[float]
    mean: float | None
    factor: float | None


class Rung(Wire):
    """What the model answers for: how many formulas and elements it saw with a label there."""

    fidelity: str
    n_formulas: int
    n_elements: int
    interval: str


class ServedLimits(Wire):
    """What one request may hold."""

    files: int
    crystals: int
    body_bytes: int
    file_bytes: int
    atoms_per_crystal: int


class ModelAnswer(Wire):
    """The model card and what was measured."""

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
    stages: list[StageResult]
    versions: dict[str, str]
    licence: str
    weights_sha256: str
    evidence: Evidence | None
    limits: ServedLimits
    has_scan: bool


@router.get("/model", summary="The model card and the evidence")
async def model(service: Serving) -> ModelAnswer:
    """What the model is made of, from its card, and benchmark figures and calibration where they came with it."""
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
                interval=interval_note(service.evidence, fidelity),
            )
            for fidelity in card.fidelities
        ],
        n_members=len(card.members),
        host=card.host.name,
        host_source=card.host.source,
        cutoff_angstrom=service.model.cutoff,
        composition=card.composition,
        recipe=card.recipe.name,
        data=[TrainedOn(**one.model_dump(include=set(TrainedOn.model_fields))) for one in card.data],
        stages=_stages(card),
        versions=card.versions,
        licence=card.licence,
        weights_sha256=card.weights_sha256,
        evidence=service.evidence,
        limits=ServedLimits(**limits.model_dump(include=set(ServedLimits.model_fields))),
        has_scan=service.scan is not None,
    )


def _stages(card: ModelCard) -> list[StageResult]:
    pretrains = {stage.name: stage.pretrain for stage in card.recipe.stages}
    results = []
    for stage, members in card.metrics.items():
        errors = [one["validation_error"] for one in members if one.get("validation_error") is not None]
        average = mean(errors) if errors else None
        pretrained = pretrains.get(stage)
        results.append(
            StageResult(
                stage=stage,
                what=pretrained or "ln kappa",
                errors=errors,
                mean=average,
                factor=None if average is None or pretrained else math.exp(average),
            )
        )
    return results


@router.get("/labels", summary="The labelled crystals answers are compared with")
async def labels(service: Serving) -> LabelsAnswer:
    """Values at 300 K of the tables that come with kappatune, and of the one given by `--labels`."""
    return service.library.answer


@health.get("/healthz", summary="Whether it serves")
async def healthz(service: Serving) -> Health:
    """For load balancers; asks for no token."""
    return Health(
        version=__version__,
        model=service.model.card.name,
        batches=service.coalescer.batches,
        crystals=service.coalescer.crystals,
    )
