"""The application: routes, page, errors in plain words."""

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
from kappatune.web import model_api, predict_api, scan_api
from kappatune.web.body import sentence
from kappatune.web.guard import Guard
from kappatune.web.limits import Refusal
from kappatune.web.schemas import Line, PredictBody, Structure
from kappatune.web.service import Service

EXAMPLES = ("Si", "MgO", "Bi2Te3")
"""Textbook crystals that the page offers to begin with."""

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
    """The application that serves a service.

    Args:
        service: What it serves.
        loopback: Whether it is bound to loopback, and therefore answers to names of this machine alone.
        token: Token the API asks for, if any.
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
    for router in (predict_api.router, scan_api.router, model_api.router, model_api.health):
        app.include_router(router)
    for path, answer in page_files().items():
        app.add_api_route(path, _static(answer), methods=["GET"], include_in_schema=False)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(UserError, _misunderstood)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _failed)
    app.add_middleware(Guard, loopback=loopback, token=token)
    _describe(app)
    return app


def page_files() -> dict[str, tuple[bytes, str]]:
    """The files of the page by their paths, with their types: read once, so that no request names a file."""
    web = ASSETS / "web"
    files = {f"/{path.relative_to(web).as_posix()}": path for path in sorted(web.rglob("*")) if path.is_file()}
    files |= {f"/examples/{name}.cif": ASSETS / "textbook" / f"{name}.cif" for name in EXAMPLES}
    files["/"] = files.pop("/index.html")
    return {path: (file.read_bytes(), _TYPES[file.suffix]) for path, file in files.items() if file.suffix in _TYPES}


def _static(file: tuple[bytes, str]) -> Callable[[Request], Awaitable[Response]]:
    content, kind = file
    headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()[:16]}"', "Cache-Control": "no-cache"}

    async def answer(request: Request) -> Response:
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=kind, headers=headers)

    return answer


def _describe(app: FastAPI) -> None:
    """Add the bodies that routes read themselves to the description of the API."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = made()
            bodies = [(model, "validation") for model in (PredictBody, Structure, Line)]
            _, definitions = models_json_schema(bodies, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
            for name, definition in definitions["$defs"].items():
                schema["components"]["schemas"].setdefault(name, definition)
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    return JSONResponse({"detail": str(error)}, error.status, headers)


async def _misunderstood(_: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 422)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return JSONResponse({"detail": sentence(error.errors())}, 422)


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    said = {404: "there is nothing at this address: see /openapi.json", 405: "this address takes another method"}
    return JSONResponse({"detail": said.get(error.status_code, error.detail)}, error.status_code, error.headers)


async def _gone(_: Request, error: Exception) -> Response:
    return Response(status_code=499)


async def _failed(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return JSONResponse({"detail": "the server failed for this request; its log says how"}, 500)
