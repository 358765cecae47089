"""Requests whose client may disconnect at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from kappatune.web.limits import Limits, RequestError

Result = TypeVar("Result")


async def stream_body(request: Request, limits: Limits) -> AsyncGenerator[bytes, None]:
    """The body as it arrives, up to the allowed length.

    Raises:
        RequestError: It is longer, or arrives too slowly.
    """
    too_large = RequestError(
        413,
        f"one request may hold {limits.body_bytes / 2**20:g} MiB: send fewer files at once, or pack them into a ZIP",
    )
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > limits.body_bytes:
        raise too_large
    total = 0
    deadline = asyncio.get_running_loop().time() + limits.body_s
    pieces = request.stream()
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                piece = await anext(pieces, None)
        except TimeoutError:
            raise RequestError(503, f"the request did not arrive within {limits.body_s:g} s: try again", 10) from None
        if piece is None:
            return
        total += len(piece)
        if total > limits.body_bytes:
            raise too_large
        yield piece


async def while_connected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Work for a request whose body has been read; stop when its client disconnects.

    Raises:
        ClientDisconnect: The client has disconnected.
    """
    task = asyncio.ensure_future(work)
    disconnected = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({task, disconnected}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        disconnected.cancel()
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
