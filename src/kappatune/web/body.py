"""Bodies of requests: JSON and multipart."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from kappatune.web.connection import body_of
from kappatune.web.limits import Limits, Refusal
from kappatune.web.reading import Upload, display_name, too_many_crystals, too_many_files
from kappatune.web.schemas import PredictBody, Structure

Message = TypeVar("Message", bound=BaseModel)

FIELD = "files"
"""The field of multipart bodies."""


class _InMemory(MultiPartParser):
    """What strangers send stays in memory, which the limit on the body bounds; Starlette would use the disk."""

    spool_max_size = 2**40


async def read_body(request: Request, limits: Limits) -> tuple[list[Upload], list[Structure]]:
    """Files and structures of a request.

    Raises:
        Refusal: The body is too large, of another kind, malformed or empty.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        uploads, structures = await _multipart(request, limits), list[Structure]()
    elif kind == "application/json":
        uploads, structures = _uploads(await read_json(request, limits, PredictBody))
    else:
        raise Refusal(415, "send application/json, or multipart/form-data with the field 'files'")
    if not uploads and not structures:
        raise Refusal(422, "the request holds no structure: send at least one file")
    if len(uploads) > limits.files:
        raise too_many_files(limits)
    if len(structures) > limits.crystals:
        raise too_many_crystals(limits)
    return uploads, structures


async def _multipart(request: Request, limits: Limits) -> list[Upload]:
    parser = _InMemory(
        request.headers,
        body_of(request, limits),
        max_files=limits.files,
        max_fields=limits.files,
        max_part_size=limits.file_bytes,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if error.message.startswith("Too many"):
            raise too_many_files(limits) from error
        raise Refusal(422, f"the multipart body is malformed: {error.message}") from error
    except (KeyError, ValueError) as error:
        if isinstance(error, Refusal):
            raise
        raise Refusal(422, "the multipart body is malformed: its boundary is missing or broken") from error
    uploads = []
    for field, value in form.multi_items():
        if field != FIELD:
            raise Refusal(422, f"the field is called '{FIELD}', not '{display_name(field)[:40]}'")
        if isinstance(value, UploadFile):
            uploads.append(Upload(display_name(value.filename) or "upload", await value.read()))
        else:
            uploads.append(Upload("pasted", value.encode("utf-8", "replace")))
    return uploads


async def read_json(request: Request, limits: Limits, kind: type[Message]) -> Message:
    """A JSON body.

    Raises:
        Refusal: It is too large, or does not fit.
    """
    content = b"".join([piece async for piece in body_of(request, limits)])
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise Refusal(422, sentence(error.errors())) from error


def _uploads(body: PredictBody) -> tuple[list[Upload], list[Structure]]:
    named = [Upload(display_name(file.name) or "pasted", file.text.encode("utf-8", "replace")) for file in body.files]
    return named, [one.model_copy(update={"id": display_name(one.id)}) for one in body.structures]


def sentence(faults: object) -> str:
    """The first faults that pydantic found, as a sentence."""
    said = []
    for fault in list(faults)[:3] if isinstance(faults, list | tuple) else []:
        place = ".".join(str(part) for part in fault["loc"] if part not in ("body", "query"))
        said.append(f"{place}: {fault['msg']}" if place else fault["msg"])
    return "; ".join(said)[:400]
