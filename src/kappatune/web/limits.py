"""How much one request, and all of them together, may use, and the error for a request that exceeds it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveFloat, PositiveInt

from kappatune.errors import UserError


class RequestError(UserError):
    """A request that is refused; the message says why and what to do.

    Attributes:
        status: HTTP status.
        retry_after_s: When to try again, s; None where that would not help.
    """

    def __init__(self, status: int, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


class Limits(BaseModel):
    """What a server accepts.

    Attributes:
        body_bytes: Bytes of one request.
        files: Files of one request, those inside ZIP archives included.
        file_bytes: Bytes of one file.
        inflated_bytes: Bytes of all that the ZIP archives of a request hold.
        inflation: How many times larger than packed a file of an archive may be; small files may be more.
        crystals: Crystals of one request.
        atoms_per_crystal: Atoms in one cell; a larger one becomes a row with a reason.
        bonds_per_crystal: Neighbours of all atoms of one cell, estimated from its density; as above.
        parse_s: Time to read one file; one that takes longer becomes a row with a reason.
        parse_memory_bytes: Address space of a process that reads files, where the system can limit it.
        body_s: Time for the body of a request to arrive.
        request_s: Time for one request, once it is being worked on.
        query_s: Time for one query of a scan.
        active: Requests worked on at the same time.
        waiting: Requests that wait for a slot; a further one is refused.
        wait_s: Longest wait.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    body_bytes: PositiveInt = 32 * 2**20
    files: PositiveInt = 2_000
    file_bytes: PositiveInt = 16 * 2**20
    inflated_bytes: PositiveInt = 64 * 2**20
    inflation: PositiveInt = 100
    crystals: PositiveInt = 5_000
    atoms_per_crystal: PositiveInt = 2_000
    bonds_per_crystal: PositiveInt = 200_000
    parse_s: PositiveFloat = 10.0
    parse_memory_bytes: PositiveInt = 3 * 2**30
    body_s: PositiveFloat = 60.0
    request_s: PositiveFloat = 300.0
    query_s: PositiveFloat = 20.0
    active: PositiveInt = 16
    waiting: NonNegativeInt = 128
    wait_s: PositiveFloat = 30.0


class RequestQueue:
    """Slots for requests that are worked on, and a queue of those that wait for one.

    Attributes:
        limits: How many.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._free = asyncio.Semaphore(limits.active)
        self._waiting = 0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a slot, and hold it.

        Raises:
            RequestError: Too many requests wait already, or this one waited too long.
        """
        if self._free.locked() and self._waiting >= self.limits.waiting:
            raise RequestError(503, "the server is busy and its queue is full: try again in a few seconds", 5)
        self._waiting += 1
        try:
            async with asyncio.timeout(self.limits.wait_s):
                await self._free.acquire()
        except TimeoutError:
            raise RequestError(503, "the server was busy for too long: try again later", 30) from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()
