"""The application: routes, page, errors as sentences."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from kappatune import __version__
from kappatune.errors import UserError
from kappatune.storage import ASSETS
from kappatune.structures.plain import Structure
from kappatune.web import crystals_api, jobs_api, model_api, predict_api, scan_api, search_api
from kappatune.web.jobs_api import JobBody
from kappatune.web.limits import RequestError
from kappatune.web.request_body import validation_message
from kappatune.web.schemas import PredictBody, StreamLine
from kappatune.web.security import SecurityMiddleware
from kappatune.web.service import Service

EXAMPLES = ("Si", "NaCl", "Bi2Te3")
"""Textbook crystals that the page offers as examples."""

PAGE_OF_A_CRYSTAL = "/crystal/{key}"
"""The page finds the crystal of its address by itself."""

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".cif": "text/plain; charset=utf-8",
}
_DESCRIPTION = (
    "Lattice thermal conductivity of crystals. Kappa is in W/(m K), temperatures in K, lengths in Å. "
    'Errors are `{"detail": "a sentence"}`.'
)

_log = logging.getLogger(__name__)


def create_app(service: Service, *, loopback: bool = True, token: str | None = None) -> FastAPI:
    """The web application of a service.

    Args:
        service: The model, the scan and the rest that it serves.
        loopback: Whether the server is bound to loopback, and therefore answers only to names of this machine.
        token: Token that the API requires, if any.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = FastAPI(
        title="kappatune",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    app.state.service = service
    for api in (predict_api, crystals_api, search_api, jobs_api, scan_api, model_api):
        app.include_router(api.router)
    app.include_router(model_api.health)
    files = page_files()
    for path, file in {**files, PAGE_OF_A_CRYSTAL: files["/"]}.items():
        app.add_api_route(path, _static(file), methods=["GET"], include_in_schema=False)
    app.add_exception_handler(RequestError, _request_error)
    app.add_exception_handler(UserError, _user_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientDisconnect, _client_disconnected)
    app.add_exception_handler(Exception, _internal_error)
    app.add_middleware(SecurityMiddleware, loopback=loopback, token=token)
    _describe_bodies(app)
    return app


def page_files() -> dict[str, tuple[bytes, str]]:
    """The files of the page by their paths, with their media types; read once, so that no request names a file."""
    web = ASSETS / "web"
    files = {f"/{path.relative_to(web).as_posix()}": path for path in sorted(web.rglob("*")) if path.is_file()}
    files |= {f"/examples/{name}.cif": ASSETS / "textbook" / f"{name}.cif" for name in EXAMPLES}
    files["/"] = files.pop("/index.html")
    return {path: (file.read_bytes(), _TYPES[file.suffix]) for path, file in files.items() if file.suffix in _TYPES}


def _static(file: tuple[bytes, str]) -> Callable[[Request], Awaitable[Response]]:
    content, media_type = file
    headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()[:16]}"', "Cache-Control": "no-cache"}

    async def send(request: Request) -> Response:
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=media_type, headers=headers)

    return send


def _describe_bodies(app: FastAPI) -> None:
    """Add the bodies that routes parse themselves to the description of the API."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = generate()
            bodies = [(model, "validation") for model in (PredictBody, Structure, StreamLine, JobBody)]
            _, definitions = models_json_schema(bodies, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
            for name, definition in definitions["$defs"].items():
                schema["components"]["schemas"].setdefault(name, definition)
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


async def _request_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    return JSONResponse({"detail": str(error)}, error.status, headers)


async def _user_error(_: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 422)


async def _invalid_request(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return JSONResponse({"detail": validation_message(error.errors())}, 422)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    messages = {
        404: "there is nothing at this address: see /openapi.json",
        405: "this address does not take this method: see /openapi.json",
    }
    return JSONResponse({"detail": messages.get(error.status_code, error.detail)}, error.status_code, error.headers)


async def _client_disconnected(_: Request, __: Exception) -> Response:
    return Response(status_code=499)


async def _internal_error(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return JSONResponse({"detail": "the server failed on this request; its log has the details"}, 500)
