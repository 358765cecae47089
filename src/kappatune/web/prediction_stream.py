"""From uploads and structures to predictions, batch by batch: files are read ahead of the network, in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple

from kappatune.model.prediction import PredictionDetails
from kappatune.structures import Crystal, Rejection
from kappatune.structures.plain import Structure
from kappatune.web.batching import QUEUED_PER_REQUEST
from kappatune.web.limits import Limits
from kappatune.web.service import Service
from kappatune.web.upload_reader import UploadReader
from kappatune.web.uploads import Upload, too_many_crystals, within_limits

FILES_READ_AHEAD = 16
"""Files of one request that are read ahead of the network."""


class PredictedBatch(NamedTuple):
    """The next predictions of a request.

    Attributes:
        predictions: Each entry with its prediction.
        crystals: The hash of each crystal that has an answer, under which it is kept.
        files_done: Files predicted so far, those of this batch included.
    """

    predictions: list[tuple[Crystal | Rejection, PredictionDetails]]
    crystals: list[str | None]
    files_done: int


async def unpack_archives(reader: UploadReader, limits: Limits, uploads: Sequence[Upload]) -> list[Upload | Rejection]:
    """The uploads, with each archive replaced by its files.

    Raises:
        kappatune.web.limits.RequestError: The archives hold too much.
    """
    files: list[Upload | Rejection] = []
    n_bytes, n_files = limits.inflated_bytes, limits.files
    for upload in uploads:
        found: Sequence[Upload | Rejection] = [upload]
        if upload.is_archive:
            found = await reader.unpack(upload, n_files, n_bytes)
            n_bytes -= sum(len(file.content) for file in found if isinstance(file, Upload))
        n_files -= len(found)
        files += found
    return files


async def predict_batches(
    service: Service, files: Sequence[Upload | Rejection], structures: Sequence[Structure], fidelity: str
) -> AsyncGenerator[PredictedBatch, None]:
    """Predict files, then structures, in order.

    Raises:
        kappatune.web.limits.RequestError: The files hold too many crystals.
    """
    unread = iter(files)
    reading: deque[asyncio.Task[Sequence[Crystal | Rejection]]] = deque()
    n_crystals = files_done = 0
    try:
        while True:
            while len(reading) < FILES_READ_AHEAD and (file := next(unread, None)) is not None:
                reading.append(asyncio.create_task(_entries(service.reader, file)))
            if not reading:
                break
            entries = [*await reading.popleft()]
            files_done += 1
            while reading and reading[0].done() and len(entries) < QUEUED_PER_REQUEST:
                entries += reading.popleft().result()
                files_done += 1
            n_crystals += len(entries)
            if n_crystals > service.limits.crystals:
                raise too_many_crystals(service.limits)
            for start in range(0, len(entries), QUEUED_PER_REQUEST):
                batch = entries[start : start + QUEUED_PER_REQUEST]
                is_last = start + QUEUED_PER_REQUEST >= len(entries)
                yield await predict_and_keep(service, batch, fidelity, files_done if is_last else files_done - 1)
        for start in range(0, len(structures), QUEUED_PER_REQUEST):
            some = structures[start : start + QUEUED_PER_REQUEST]
            batch = await asyncio.to_thread(_crystals, some, start + 1, service.limits)
            yield await predict_and_keep(service, batch, fidelity, files_done)
    finally:
        for task in reading:
            task.cancel()


async def predict_and_keep(
    service: Service, entries: Sequence[Crystal | Rejection], fidelity: str, files_done: int = 0
) -> PredictedBatch:
    """Predict crystals, and keep those that have an answer."""
    predicted = await service.batcher.predict(entries, fidelity)
    rows = [details.prediction for details in predicted]
    crystals = await asyncio.to_thread(service.kept.add, entries, rows, fidelity)
    return PredictedBatch([*zip(entries, predicted, strict=True)], crystals, files_done)


async def _entries(reader: UploadReader, file: Upload | Rejection) -> Sequence[Crystal | Rejection]:
    return [file] if isinstance(file, Rejection) else await reader.read(file)


def _crystals(structures: Sequence[Structure], first: int, limits: Limits) -> list[Crystal | Rejection]:
    return [crystal_of(structure, position, limits) for position, structure in enumerate(structures, first)]


def crystal_of(structure: Structure, position: int, limits: Limits) -> Crystal | Rejection:
    """The checked crystal of a structure, or the reason why there is none."""
    n = len(structure.species)
    if n > limits.atoms_per_crystal:
        reason = f"the cell has {n:,} atoms and this server takes {limits.atoms_per_crystal:,}: give the primitive cell"
        return Rejection(structure.id or f"structure {position}", reason)
    crystal = structure.crystal(position)
    return crystal if isinstance(crystal, Rejection) else within_limits(crystal, limits)
