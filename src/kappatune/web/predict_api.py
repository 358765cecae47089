"""`/api/v1/predict` and `/api/v1/explain`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse
from starlette.requests import ClientDisconnect

from kappatune.model.evidence import interval_note
from kappatune.model.explanation import explain_prediction
from kappatune.model.kappa_model import TRAINING_TEMPERATURE_K, PredictionDetails, at_temperature
from kappatune.physics.slack import CLASSICAL_FROM
from kappatune.structures import Rejection
from kappatune.web.body import read_body, read_json
from kappatune.web.connection import while_connected
from kappatune.web.limits import Refusal
from kappatune.web.predicting import Step, crystal_of, steps, unpacked
from kappatune.web.reading import Upload
from kappatune.web.schemas import (
    ExplainAnswer,
    Line,
    Neighbour,
    Point,
    PredictAnswer,
    Problem,
    Structure,
    Temperature,
)
from kappatune.web.service import Service, Serving, Turn

STREAM = "application/x-ndjson"
N_NEIGHBOURS = 5
CURVE_TO_K = 1000.0
_CURVE_FROM_K = 100.0
_CURVE_POINTS = 40

_MGO = """MgO
1.0
0.000 2.106 2.106
2.106 0.000 2.106
2.106 2.106 0.000
Mg O
1 1
Direct
0.0 0.0 0.0
0.5 0.5 0.5
"""
_MGO_STRUCTURE = {
    "id": "MgO",
    "lattice": [[0.0, 2.106, 2.106], [2.106, 0.0, 2.106], [2.106, 2.106, 0.0]],
    "species": ["Mg", "O"],
    "frac_coords": [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]],
}

_BODIES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/PredictBody"},
                "examples": {
                    "file": {"summary": "a file as text", "value": {"files": [{"name": "POSCAR", "text": _MGO}]}},
                    "structure": {"summary": "a structure", "value": {"structures": [_MGO_STRUCTURE]}},
                },
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {
                            "type": "array",
                            "minItems": 1,
                            "items": {"type": "string", "format": "binary"},
                            "description": "CIF, POSCAR, extxyz, pymatgen JSON, or ZIP archives of these.",
                        }
                    },
                },
            },
        },
    }
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Structure"},
                "examples": {"MgO": {"value": _MGO_STRUCTURE}},
            }
        },
    }
}

PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "The server asks for a token."},
    403: {"model": Problem, "description": "Asked by another site's page, or by another name than localhost."},
    413: {"model": Problem, "description": "More than one request may hold."},
    415: {"model": Problem, "description": "Neither JSON nor multipart."},
    422: {"model": Problem, "description": "The request is not understood."},
    503: {"model": Problem, "description": "Busy, or it took too long; `Retry-After` says when to try again."},
}

router = APIRouter(prefix="/api/v1", tags=["predict"])

Fidelity = Annotated[
    str | None,
    Query(description="Rung whose value is wanted: `dft`, `agl`, ...; the model's last by default.", max_length=80),
]
At = Annotated[Temperature, Query(description="Temperature, K.", examples=[300.0])]


@router.post(
    "/predict",
    summary="Predict the lattice thermal conductivity of crystals",
    response_model=PredictAnswer,
    responses={
        200: {
            "content": {
                STREAM: {"schema": {"type": "string"}},
                "application/json": {
                    "example": {
                        "model": "accurate",
                        "fidelity": "dft",
                        "rows": [
                            {
                                "id": "MgO",
                                "file": "mgo.cif",
                                "formula": "MgO",
                                "temperature_k": 300.0,
                                "kappa_w_mk": 52.7,
                                "lower_w_mk": 49.2,
                                "upper_w_mk": 56.5,
                                "debye_temperature_k": 768.1,
                                "gruneisen": 1.98,
                                "in_domain": True,
                                "reason": None,
                            }
                        ],
                    }
                },
            }
        },
        **PROBLEMS,
    },
    openapi_extra=_BODIES,
    dependencies=[Turn],
)
async def predict(
    request: Request, service: Serving, fidelity: Fidelity = None, temperature_k: At = TRAINING_TEMPERATURE_K
) -> Response:
    """One row per crystal, in order, as `kappatune predict --json` prints them.

    A file that cannot be read, or a crystal that cannot be judged, is a row without numbers but with a reason. With
    `Accept: application/x-ndjson` the answer is a stream of lines, each with a row, its structure, and how many
    files are done.
    """
    deadline = asyncio.get_running_loop().time() + service.limits.request_s
    rung = service.rung(fidelity)
    try:
        async with asyncio.timeout_at(deadline):
            uploads, structures = await read_body(request, service.limits)
            items = await while_connected(request, unpacked(service.reader, service.limits, uploads))
            if STREAM not in request.headers.get("accept", ""):
                return await while_connected(request, _whole(service, items, structures, rung, temperature_k))
    except TimeoutError:
        raise _too_slow(service) from None
    lines = _lines(request, service, items, structures, rung, temperature_k, deadline)
    return StreamingResponse(lines, media_type=STREAM)


async def _whole(
    service: Service,
    items: Sequence[Upload | Rejection],
    structures: Sequence[Structure],
    rung: str,
    temperature_k: float,
) -> Response:
    rows = []
    async with aclosing(steps(service, items, structures, rung)) as answered:
        async for step in answered:
            rows += [at_temperature(judged, temperature_k) for _, judged in step.judged]
    answer = PredictAnswer(model=service.model.card.name, fidelity=rung, rows=rows)
    return Response(answer.model_dump_json(), media_type="application/json")


async def _lines(
    request: Request,
    service: Service,
    items: Sequence[Upload | Rejection],
    structures: Sequence[Structure],
    rung: str,
    temperature_k: float,
    deadline: float,
) -> AsyncIterator[str]:
    files_done, error = 0, None
    async with aclosing(steps(service, items, structures, rung)) as answered:
        try:
            while True:
                async with asyncio.timeout_at(deadline):
                    step = await while_connected(request, _next(answered))
                if step is None:
                    break
                for entry, judged in step.judged:
                    yield _line(
                        files_done=step.files_done,
                        files=len(items),
                        row=at_temperature(judged, temperature_k),
                        structure=None if isinstance(entry, Rejection) else Structure.of(entry),
                    )
                files_done = step.files_done
        except ClientDisconnect:
            return
        except TimeoutError:
            error = str(_too_slow(service))
        except Refusal as refusal:
            error = str(refusal)
    yield _line(files_done=files_done, files=len(items), error=error)


async def _next(answered: AsyncIterator[Step]) -> Step | None:
    return await anext(answered, None)


def _line(**fields: Any) -> str:
    return Line.model_construct(**fields).model_dump_json(warnings=False) + "\n"


def _too_slow(service: Service) -> Refusal:
    return Refusal(503, f"the request took more than {service.limits.request_s:g} s: send fewer crystals at once", 60)


@router.post(
    "/explain",
    summary="Everything about one crystal",
    responses=PROBLEMS,
    openapi_extra=_BODY,
    dependencies=[Turn],
)
async def explain(
    request: Request,
    service: Serving,
    fidelity: Fidelity = None,
    temperature_k: At = TRAINING_TEMPERATURE_K,
) -> ExplainAnswer:
    """The prediction with its curve over temperature, the nearest labelled crystals, and why it is what it is.

    A crystal that cannot be judged is answered with 422 and the reason.
    """
    rung = service.rung(fidelity)
    try:
        async with asyncio.timeout(service.limits.request_s):
            structure = await read_json(request, service.limits, Structure)
            entry = await asyncio.to_thread(crystal_of, structure, 1, service.limits)
            if isinstance(entry, Rejection):
                raise Refusal(422, f"{entry.id}: {entry.reason}")
            (judged,) = await while_connected(request, service.coalescer.judge([entry], rung))
    except TimeoutError:
        raise _too_slow(service) from None
    if judged.prediction.kappa_w_mk is None or judged.embedding is None or judged.members_w_mk is None:
        raise Refusal(422, f"{entry.id}: {judged.prediction.reason}")
    acoustic = judged.acoustic_debye_temperature_k
    return ExplainAnswer(
        row=at_temperature(judged, temperature_k),
        row_300k=judged.prediction,
        interval=interval_note(service.evidence, rung),
        members_w_mk=judged.members_w_mk.tolist(),
        n_atoms=entry.n_atoms,
        classical_from_k=None if acoustic is None else CLASSICAL_FROM * acoustic,
        curve=_curve(judged),
        nearest=[
            Neighbour.model_validate(found) for found in service.library.labels.nearest(judged.embedding, N_NEIGHBOURS)
        ],
        contributions=explain_prediction(entry, judged, service.library.typical, rung),
    )


def _curve(judged: PredictionDetails) -> list[Point]:
    """Kappa over temperature, from where 1/T holds."""
    if judged.acoustic_debye_temperature_k is None:
        return []
    start = max(_CURVE_FROM_K, CLASSICAL_FROM * judged.acoustic_debye_temperature_k)
    if start >= CURVE_TO_K:
        return []
    at = [at_temperature(judged, float(t)) for t in np.geomspace(start * (1 + 1e-9), CURVE_TO_K, _CURVE_POINTS)]
    return [
        Point(
            temperature_k=row.temperature_k,
            kappa_w_mk=row.kappa_w_mk,
            lower_w_mk=row.lower_w_mk,
            upper_w_mk=row.upper_w_mk,
        )
        for row in at
        if row.kappa_w_mk is not None
    ]
