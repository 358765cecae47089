"""`/api/v1/predict`: rows for files and structures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse
from starlette.requests import ClientDisconnect

from kappatune.model.prediction import TRAINING_TEMPERATURE_K
from kappatune.model.temperature import at_temperature
from kappatune.structures import Rejection
from kappatune.structures.plain import Structure
from kappatune.web.connection import while_connected
from kappatune.web.limits import RequestError
from kappatune.web.prediction_stream import PredictedBatch, predict_batches, unpack_archives
from kappatune.web.request_body import read_body
from kappatune.web.schemas import PredictAnswer, Problem, StreamLine, Temperature
from kappatune.web.service import QueueSlot, Service, ServiceDep
from kappatune.web.uploads import Upload

NDJSON = "application/x-ndjson"

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
MGO = {
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
                    "structure": {"summary": "a structure", "value": {"structures": [MGO]}},
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
ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "The server requires a token."},
    403: {"model": Problem, "description": "Sent by a page of another site, or to another name than localhost."},
    413: {"model": Problem, "description": "The request holds more than is allowed."},
    415: {"model": Problem, "description": "Neither JSON nor multipart."},
    422: {"model": Problem, "description": "The request does not follow the schema, or names an unknown rung."},
    503: {
        "model": Problem,
        "description": "The server is busy or too slow; `Retry-After` says when to try again.",
    },
}

router = APIRouter(prefix="/api/v1", tags=["predict"])

Fidelity = Annotated[
    str | None,
    Query(description="Rung to predict: `dft`, `agl`, ...; the model's last by default.", max_length=80),
]
At = Annotated[Temperature, Query(description="Temperature, K.", examples=[300.0])]


@router.post(
    "/predict",
    summary="Predict the lattice thermal conductivity of crystals",
    response_model=PredictAnswer,
    responses={
        200: {
            "content": {
                NDJSON: {"schema": {"type": "string"}},
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
                                "remarks": [],
                            }
                        ],
                        "crystals": ["6c1e1b2d3a4f5061"],
                    }
                },
            }
        },
        **ERROR_RESPONSES,
    },
    openapi_extra=_BODIES,
    dependencies=[QueueSlot],
)
async def predict(
    request: Request, service: ServiceDep, fidelity: Fidelity = None, temperature_k: At = TRAINING_TEMPERATURE_K
) -> Response:
    """One row per crystal, in order, as `kappatune predict --json` prints them.

    A file that cannot be read, or a crystal that cannot be predicted, is a row with a reason and no numbers. With
    `Accept: application/x-ndjson` the answer is a stream of lines, each with a row, its structure, and the number of
    files done.
    """
    deadline = asyncio.get_running_loop().time() + service.limits.request_s
    fidelity = service.checked_fidelity(fidelity)
    try:
        async with asyncio.timeout_at(deadline):
            uploads, structures = await read_body(request, service.limits)
            sent = await while_connected(request, unpack_archives(service.reader, service.limits, uploads))
            if NDJSON not in request.headers.get("accept", ""):
                return await while_connected(request, _all_rows(service, sent, structures, fidelity, temperature_k))
    except TimeoutError:
        raise too_slow(service) from None
    lines = _lines(request, service, sent, structures, fidelity, temperature_k, deadline)
    return StreamingResponse(lines, media_type=NDJSON)


async def _all_rows(
    service: Service,
    files: Sequence[Upload | Rejection],
    structures: Sequence[Structure],
    fidelity: str,
    temperature_k: float,
) -> Response:
    rows, crystals = [], list[str | None]()
    async with aclosing(predict_batches(service, files, structures, fidelity)) as batches:
        async for batch in batches:
            rows += [at_temperature(details, temperature_k) for _, details in batch.predictions]
            crystals += batch.crystals
    answer = PredictAnswer(model=service.model.card.name, fidelity=fidelity, rows=rows, crystals=crystals)
    return Response(answer.model_dump_json(), media_type="application/json")


async def _lines(
    request: Request,
    service: Service,
    files: Sequence[Upload | Rejection],
    structures: Sequence[Structure],
    fidelity: str,
    temperature_k: float,
    deadline: float,
) -> AsyncIterator[str]:
    files_done, error = 0, None
    async with aclosing(predict_batches(service, files, structures, fidelity)) as batches:
        try:
            while True:
                async with asyncio.timeout_at(deadline):
                    batch = await while_connected(request, _next(batches))
                if batch is None:
                    break
                for (entry, details), key in zip(batch.predictions, batch.crystals, strict=True):
                    yield _line(
                        files_done=batch.files_done,
                        files=len(files),
                        row=at_temperature(details, temperature_k),
                        structure=None if isinstance(entry, Rejection) else Structure.of(entry),
                        crystal=key,
                    )
                files_done = batch.files_done
        except ClientDisconnect:
            return
        except TimeoutError:
            error = str(too_slow(service))
        except RequestError as refusal:
            error = str(refusal)
    yield _line(files_done=files_done, files=len(files), error=error)


async def _next(batches: AsyncIterator[PredictedBatch]) -> PredictedBatch | None:
    return await anext(batches, None)


def _line(**fields: Any) -> str:
    return StreamLine.model_construct(**fields).model_dump_json(warnings=False) + "\n"


def too_slow(service: Service) -> RequestError:
    """The error for a request that takes too long."""
    return RequestError(
        503, f"the request took more than {service.limits.request_s:g} s: send fewer crystals at once", 60
    )
