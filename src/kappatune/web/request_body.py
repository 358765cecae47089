"""Bodies of requests: JSON and multipart."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from kappatune.structures.plain import Structure
from kappatune.web.connection import stream_body
from kappatune.web.limits import Limits, RequestError
from kappatune.web.schemas import PredictBody
from kappatune.web.uploads import Upload, display_name, too_many_crystals, too_many_files

Body = TypeVar("Body", bound=BaseModel)

FIELD = "files"
"""The field of multipart bodies."""


class _InMemoryParser(MultiPartParser):
    """Keeps uploads in memory, which the limit on the body bounds; Starlette would write large ones to disk."""

    spool_max_size = 2**40


async def read_body(request: Request, limits: Limits) -> tuple[list[Upload], list[Structure]]:
    """The files and structures of a request.

    Raises:
        RequestError: The body is too large, of another kind, malformed or empty.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "multipart/form-data":
        uploads, structures = await _multipart(request, limits), list[Structure]()
    elif content_type == "application/json":
        uploads, structures = _uploads(await read_json(request, limits, PredictBody))
    else:
        raise RequestError(415, "send application/json, or multipart/form-data with the field 'files'")
    if not uploads and not structures:
        raise RequestError(422, "the request has no structure: send at least one file")
    if len(uploads) > limits.files:
        raise too_many_files(limits)
    if len(structures) > limits.crystals:
        raise too_many_crystals(limits)
    return uploads, structures


async def _multipart(request: Request, limits: Limits) -> list[Upload]:
    parser = _InMemoryParser(
        request.headers,
        stream_body(request, limits),
        max_files=limits.files,
        max_fields=limits.files,
        max_part_size=limits.file_bytes,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if error.message.startswith("Too many"):
            raise too_many_files(limits) from error
        raise RequestError(422, f"the multipart body is malformed: {error.message}") from error
    except (KeyError, ValueError) as error:
        if isinstance(error, RequestError):
            raise
        raise RequestError(422, "the multipart body is malformed: its boundary is missing or broken") from error
    try:
        return [await _upload(field, value) for field, value in form.multi_items()]
    finally:
        await form.close()


async def _upload(field: str, value: UploadFile | str) -> Upload:
    if field != FIELD:
        raise RequestError(422, f"the field must be called '{FIELD}', not '{display_name(field)[:40]}'")
    if isinstance(value, UploadFile):
        return Upload(display_name(value.filename) or "upload", await value.read())
    return Upload("pasted", value.encode("utf-8", "replace"))


async def read_json(request: Request, limits: Limits, body_type: type[Body]) -> Body:
    """A JSON body.

    Raises:
        RequestError: It is too large, or does not follow the schema.
    """
    content = b"".join([piece async for piece in stream_body(request, limits)])
    try:
        return body_type.model_validate_json(content)
    except ValidationError as error:
        raise RequestError(422, validation_message(error.errors())) from error


def _uploads(body: PredictBody) -> tuple[list[Upload], list[Structure]]:
    uploads = [Upload(display_name(file.name) or "pasted", file.text.encode("utf-8", "replace")) for file in body.files]
    return uploads, [one.model_copy(update={"id": display_name(one.id)}) for one in body.structures]


def validation_message(errors: object) -> str:
    """The first errors that pydantic found, as a sentence."""
    messages = []
    for error in list(errors)[:3] if isinstance(errors, list | tuple) else []:
        place = ".".join(str(part) for part in error["loc"] if part not in ("body", "query"))
        messages.append(f"{place}: {error['msg']}" if place else error["msg"])
    return "; ".join(messages)[:400]
