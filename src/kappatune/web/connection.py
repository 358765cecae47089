"""Requests whose sender may go away at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from kappatune.web.limits import Limits, Refusal

Answer = TypeVar("Answer")


async def body_of(request: Request, limits: Limits) -> AsyncGenerator[bytes, None]:
    """The body as it comes, no longer than allowed.

    Raises:
        Refusal: It is longer, or comes too slowly.
    """
    too_large = Refusal(
        413,
        f"one request may have {limits.body_bytes / 2**20:g} MiB: send fewer files at once, or pack them into a ZIP",
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
            raise Refusal(503, f"the request did not arrive within {limits.body_s:g} s: try again", 10) from None
        if piece is None:
            return
        total += len(piece)
        if total > limits.body_bytes:
            raise too_large
        yield piece


async def while_connected(request: Request, work: Coroutine[Any, Any, Answer]) -> Answer:
    """Do something for a request whose body has been read; stop when its sender goes away.

    Raises:
        ClientDisconnect: The sender has gone.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_goes_away(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        gone.cancel()
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _goes_away(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
