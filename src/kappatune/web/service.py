"""What a running server consists of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from kappatune.model.evidence import Evidence, read_evidence
from kappatune.model.kappa_model import KappaModel, UnknownFidelity, model_folder
from kappatune.web.batching import Coalescer
from kappatune.web.explore import Scan
from kappatune.web.library import Library, read_library
from kappatune.web.limits import Gate, Limits
from kappatune.web.reading import Reader


@dataclass(frozen=True)
class Service:
    """The parts of a server, made by `open_service`.

    Attributes:
        model: The model that answers.
        evidence: What was measured of it, if that came with it.
        library: The labelled crystals.
        scan: The scan to explore, if any.
        limits: What a request may take.
        gate: Where requests wait.
        reader: Reads uploads.
        coalescer: Judges crystals.
    """

    model: KappaModel
    evidence: Evidence | None
    library: Library
    scan: Scan | None
    limits: Limits
    gate: Gate
    reader: Reader
    coalescer: Coalescer

    def rung(self, fidelity: str | None) -> str:
        """The rung that is asked for, the model's last by default.

        Raises:
            UnknownFidelity: The model has no such rung.
        """
        known = self.model.card.fidelities
        if fidelity is not None and fidelity not in known:
            name = self.model.card.name
            raise UnknownFidelity(f"model '{name}' does not answer for '{fidelity[:80]}': it knows {', '.join(known)}")
        return fidelity or self.model.default_fidelity

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The service at work: workers begun, network listening."""
        network = asyncio.create_task(self.coalescer.run())
        try:
            await self.reader.warm_up()
            yield
        finally:
            network.cancel()
            with suppress(asyncio.CancelledError):
                await network
            self.coalescer.close()
            await asyncio.to_thread(self.reader.close)


def open_service(
    model: str = "accurate", *, scan: Path | None = None, labels: Path | None = None, limits: Limits | None = None
) -> Service:
    """Load everything a server needs, so that whatever is wrong is said before it begins.

    Raises:
        kappatune.errors.UserError: The model, its evidence, the table or the scan cannot be read.
    """
    loaded, limits = KappaModel.load(model), limits or Limits()
    return Service(
        model=loaded,
        evidence=read_evidence(model_folder(model)),
        library=read_library(loaded, labels),
        scan=None if scan is None else Scan(scan),
        limits=limits,
        gate=Gate(limits),
        reader=Reader(limits),
        coalescer=Coalescer(loaded),
    )


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Serving = Annotated[Service, Depends(_service)]


async def _turn(service: Serving) -> AsyncIterator[None]:
    async with service.gate.turn():
        yield


Turn = Depends(_turn)
"""A route that works for long waits for its turn, and holds it until the answer is sent."""
