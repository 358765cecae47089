"""The parts of a running server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from kappatune.jobs.limits import JobLimits
from kappatune.jobs.queue import JobQueue
from kappatune.model.bundle import model_folder
from kappatune.model.evidence import Evidence, read_evidence
from kappatune.model.intervals import IntervalCalibration
from kappatune.model.kappa_model import KappaModel, UnknownFidelity
from kappatune.web.batching import RequestBatcher
from kappatune.web.job_stream import JobStreams
from kappatune.web.kept_crystals import KeptCrystals
from kappatune.web.limits import Limits, RequestQueue
from kappatune.web.reference import ReferenceCrystals, read_reference_crystals
from kappatune.web.scan_store import ScanStore
from kappatune.web.upload_reader import UploadReader


@dataclass(frozen=True)
class Compute:
    """What a server computes beside predictions.

    Attributes:
        folder: Where jobs are kept.
        calculator: Name of the potential.
        workers: Jobs that run at the same time.
        limits: What is accepted.
    """

    folder: Path
    calculator: str
    workers: int
    limits: JobLimits


@dataclass(frozen=True)
class Service:
    """The parts of a server, made by `open_service`.

    Attributes:
        model: The model that answers.
        evidence: Measured errors and intervals, if they came with the model.
        reference: The labelled crystals.
        scan: The scan to explore, if any.
        limits: What a request may take.
        queue: Where requests wait.
        reader: Reads uploads.
        batcher: Predicts crystals.
        kept: Crystals that were answered.
        jobs: What is computed, if anything is.
        streams: Those who follow jobs.
    """

    model: KappaModel
    evidence: Evidence | None
    reference: ReferenceCrystals
    scan: ScanStore | None
    limits: Limits
    queue: RequestQueue
    reader: UploadReader
    batcher: RequestBatcher
    kept: KeptCrystals
    jobs: JobQueue | None
    streams: JobStreams

    def checked_fidelity(self, fidelity: str | None) -> str:
        """The rung that is asked for; the model's last by default.

        Raises:
            UnknownFidelity: The model has no such rung.
        """
        known = self.model.card.fidelities
        if fidelity is not None and fidelity not in known:
            name = self.model.card.name
            raise UnknownFidelity(f"model '{name}' has no rung '{fidelity[:80]}': it knows {', '.join(known)}")
        return fidelity or self.model.default_fidelity

    def calibration_of(self, fidelity: str) -> IntervalCalibration | None:
        """The calibration of a rung's intervals, if it has one."""
        return self.model.card.calibration.get(fidelity)  # type: ignore[call-overload,no-any-return]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the processes, the batcher and the jobs."""
        batching = asyncio.create_task(self.batcher.run())
        try:
            await self.reader.warm_up()
            if self.jobs is not None:
                self.jobs.start()
            yield
        finally:
            self.streams.end()
            if self.jobs is not None:
                await asyncio.to_thread(self.jobs.close)
            batching.cancel()
            with suppress(asyncio.CancelledError):
                await batching
            self.batcher.close()
            await asyncio.to_thread(self.reader.close)
            self.kept.close()


def open_service(
    model: str = "accurate",
    *,
    scan: Path | None = None,
    labels: Path | None = None,
    limits: Limits | None = None,
    keep: Path | None = None,
    compute: Compute | None = None,
) -> Service:
    """Load everything a server needs, so that errors are reported before it starts.

    Args:
        model: Name or folder of the model.
        scan: Folder of a scan to explore.
        labels: Table of labelled crystals.
        limits: What a request may take.
        keep: Folder where answered crystals are kept; None keeps the latest in memory.
        compute: What is computed beside predictions; None computes nothing.

    Raises:
        kappatune.errors.UserError: The model, its evidence, the table, the scan, the potential or a folder cannot be
            used.
    """
    loaded, limits = KappaModel.load(model), limits or Limits()
    evidence, reference = read_evidence(model_folder(model)), read_reference_crystals(loaded, labels)
    opened_scan, kept = None if scan is None else ScanStore(scan), KeptCrystals(keep)
    return Service(
        model=loaded,
        evidence=evidence,
        reference=reference,
        scan=opened_scan,
        limits=limits,
        queue=RequestQueue(limits),
        reader=UploadReader(limits),
        batcher=RequestBatcher(loaded),
        kept=kept,
        jobs=None if compute is None else _open_jobs(compute, model, loaded.card.weights_sha256),
        streams=JobStreams(),
    )


def _open_jobs(compute: Compute, model: str, model_hash: str) -> JobQueue:
    return JobQueue(
        compute.folder,
        calculator=compute.calculator,
        model=model,
        model_hash=model_hash,
        workers=compute.workers,
        limits=compute.limits,
    )


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(_service)]


async def _slot(service: ServiceDep) -> AsyncIterator[None]:
    async with service.queue.slot():
        yield


QueueSlot = Depends(_slot)
"""For routes that take long: they wait for a slot, and hold it until the answer is sent."""
