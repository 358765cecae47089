"""`/api/v1/explain` and `/api/v1/crystals/...`: everything about one crystal, at an address that stays."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from kappatune.jobs.record import Job
from kappatune.model.evidence import interval_note
from kappatune.model.explanation import Explanation, explain_prediction
from kappatune.model.prediction import TRAINING_TEMPERATURE_K, Prediction, PredictionDetails
from kappatune.model.temperature import at_temperature
from kappatune.physics.slack import CLASSICAL_FROM
from kappatune.structures import Crystal, Rejection
from kappatune.structures.plain import Structure, cif_text
from kappatune.web.connection import while_connected
from kappatune.web.crystal_facts import CrystalFacts
from kappatune.web.limits import RequestError
from kappatune.web.predict_api import ERROR_RESPONSES, MGO, At, Fidelity, too_slow
from kappatune.web.prediction_stream import crystal_of, predict_and_keep
from kappatune.web.request_body import read_json
from kappatune.web.schemas import ApiModel, CurvePoint, Neighbour, Problem
from kappatune.web.service import QueueSlot, Service, ServiceDep

N_NEIGHBOURS = 5
CURVE_TO_K = 1000.0
_CURVE_FROM_K = 100.0
_CURVE_POINTS = 40

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Structure"},
                "examples": {"MgO": {"value": MGO}},
            }
        },
    }
}
_UNKNOWN: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "No crystal of this hash is known here."}
}

router = APIRouter(prefix="/api/v1", tags=["crystals"], responses=ERROR_RESPONSES)

Hash = Annotated[
    str,
    Path(
        pattern="^[0-9a-f]{16}$",
        description="Hash of a structure, as `crystal` of a prediction.",
        examples=["6c1e1b2d3a4f5061"],
    ),
]


class ExplainAnswer(ApiModel):
    """Everything about one crystal.

    Attributes:
        crystal: Its hash for `/crystals/HASH`.
        facts: Space group, density and the like.
        row: The prediction at the temperature asked for.
        row_300k: The prediction at 300 K.
        interval: What the interval means, in a sentence.
        members_w_mk: Kappa of each member at 300 K, W/(m K).
        n_atoms: Atoms in the cell that was given.
        classical_from_k: Lowest temperature at which kappa falls as 1/T, K; null if unknown.
        curve: Kappa against temperature, from `classical_from_k` up.
        nearest: The nearest labelled crystals.
        contributions: The factors of kappa; null if the model predicts no Debye temperature.
    """

    crystal: str | None
    facts: CrystalFacts
    row: Prediction
    row_300k: Prediction
    interval: str
    members_w_mk: list[float]
    n_atoms: int
    classical_from_k: float | None
    curve: list[CurvePoint]
    nearest: list[Neighbour]
    contributions: Explanation | None


class Kept(ApiModel):
    """When a crystal was first answered (UTC), and what it was called then."""

    first_answered: str
    name: str
    file: str | None


class CrystalAnswer(ExplainAnswer):
    """Everything about a crystal that is known here.

    Attributes:
        structure: The crystal.
        kept: When it was first answered; null if it is known as a labelled crystal, or from a job or the scan.
        jobs: What was computed for it, newest first.
    """

    structure: Structure
    kept: Kept | None
    jobs: list[Job]


@router.post("/explain", summary="Everything about one crystal", openapi_extra=_BODY, dependencies=[QueueSlot])
async def explain(
    request: Request,
    service: ServiceDep,
    fidelity: Fidelity = None,
    temperature_k: At = TRAINING_TEMPERATURE_K,
) -> ExplainAnswer:
    """The prediction, its curve against temperature, the nearest labelled crystals, and the factors of kappa.

    A crystal that cannot be predicted is answered with 422 and the reason.
    """
    fidelity = service.checked_fidelity(fidelity)
    try:
        async with asyncio.timeout(service.limits.request_s):
            structure = await read_json(request, service.limits, Structure)
            entry = await asyncio.to_thread(crystal_of, structure, 1, service.limits)
            if isinstance(entry, Rejection):
                raise RequestError(422, f"{entry.id}: {entry.reason}")
            found = await while_connected(request, _explained(service, entry, fidelity, temperature_k))
    except TimeoutError:
        raise too_slow(service) from None
    return ExplainAnswer(**found)


@router.get("/crystals/{key}", summary="A crystal by its address", responses=_UNKNOWN, dependencies=[QueueSlot])
async def crystal(
    request: Request,
    service: ServiceDep,
    key: Hash,
    fidelity: Fidelity = None,
    temperature_k: At = TRAINING_TEMPERATURE_K,
) -> CrystalAnswer:
    """The same as `/explain` for a crystal that was answered before, that is labelled, or that a job computed.

    The answer is that of the model served now.
    """
    fidelity = service.checked_fidelity(fidelity)
    entry, first_answered = await asyncio.to_thread(_known, service, key)
    try:
        async with asyncio.timeout(service.limits.request_s):
            kept_as = None if first_answered is None else key
            found = await while_connected(request, _explained(service, entry, fidelity, temperature_k, kept_as))
    except TimeoutError:
        raise too_slow(service) from None
    kept = None if first_answered is None else Kept(first_answered=first_answered, name=entry.id, file=entry.file)
    jobs = [] if service.jobs is None else [job for job in service.jobs.jobs() if job.crystal == key]
    return CrystalAnswer(**{**found, "crystal": key}, structure=Structure.of(entry), kept=kept, jobs=jobs)


@router.get("/crystals/{key}/cif", summary="A crystal as CIF", responses=_UNKNOWN, response_class=Response)
async def crystal_cif(service: ServiceDep, key: Hash) -> Response:
    """The structure as a file to download."""
    entry, _ = await asyncio.to_thread(_known, service, key)
    text = await asyncio.to_thread(cif_text, entry)
    headers = {"Content-Disposition": f'attachment; filename="{entry.formula}-{key}.cif"'}
    return Response(text, media_type="chemical/x-cif", headers=headers)


def known_crystal(service: Service, key: str) -> Crystal:
    """A crystal by its hash.

    Raises:
        RequestError: No such crystal is known here.
    """
    return _known(service, key)[0]


def _known(service: Service, key: str) -> tuple[Crystal, str | None]:
    """A crystal by its hash, and when it was first answered, if it was."""
    kept = service.kept.get(key)
    if kept is not None:
        return kept.crystal, kept.first_answered
    crystal = (
        service.reference.crystal(key)
        or (service.jobs.crystal(key) if service.jobs else None)
        or (service.scan.crystal_of(key, service.limits.query_s) if service.scan else None)
    )
    if crystal is None:
        advice = "send its file again" if service.kept.survives else "send its file again (--keep keeps crystals)"
        raise RequestError(404, f"no crystal {key} is known here: {advice}")
    return crystal, None


async def _explained(
    service: Service, entry: Crystal, fidelity: str, temperature_k: float, kept_as: str | None = None
) -> dict[str, Any]:
    """The fields of an `ExplainAnswer`; a crystal that is not kept yet, under a hash `kept_as`, is from now on."""
    if kept_as is None:
        batch = await predict_and_keep(service, [entry], fidelity)
        ((_, details),), (key,) = batch.predictions, batch.crystals
    else:
        (details,), key = await service.batcher.predict([entry], fidelity), kept_as
    if details.prediction.kappa_w_mk is None or details.embedding is None or details.members_w_mk is None:
        raise RequestError(422, f"{entry.id}: {details.prediction.reason}")
    reference = service.reference
    acoustic = details.acoustic_debye_temperature_k
    return {
        "crystal": key,
        "facts": await asyncio.to_thread(CrystalFacts.of, entry),
        "row": at_temperature(details, temperature_k),
        "row_300k": details.prediction,
        "interval": interval_note(service.evidence, fidelity, service.calibration_of(fidelity)),
        "members_w_mk": details.members_w_mk.tolist(),
        "n_atoms": entry.n_atoms,
        "classical_from_k": None if acoustic is None else CLASSICAL_FROM * acoustic,
        "curve": _curve(details),
        "nearest": [
            Neighbour.model_validate(found) for found in reference.labels.nearest(details.embedding, N_NEIGHBOURS)
        ],
        "contributions": explain_prediction(entry, details, reference.typical, fidelity),
    }


def _curve(details: PredictionDetails) -> list[CurvePoint]:
    """Kappa against temperature, from where 1/T holds."""
    if details.acoustic_debye_temperature_k is None:
        return []
    start = max(_CURVE_FROM_K, CLASSICAL_FROM * details.acoustic_debye_temperature_k)
    if start >= CURVE_TO_K:
        return []
    at = [at_temperature(details, float(t)) for t in np.geomspace(start * (1 + 1e-9), CURVE_TO_K, _CURVE_POINTS)]
    return [
        CurvePoint(
            temperature_k=row.temperature_k,
            kappa_w_mk=row.kappa_w_mk,
            lower_w_mk=row.lower_w_mk,
            upper_w_mk=row.upper_w_mk,
        )
        for row in at
        if row.kappa_w_mk is not None
    ]
