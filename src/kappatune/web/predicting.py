"""Uploads and structures to judgements, step by step: reading runs ahead of the network, order is kept."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple

from kappatune.model.kappa_model import PredictionDetails
from kappatune.structures import Crystal, Rejection
from kappatune.web.batching import PIECE
from kappatune.web.limits import Limits
from kappatune.web.reading import Reader, Upload, bounded, too_many_crystals
from kappatune.web.schemas import Structure
from kappatune.web.service import Service

Entry = Crystal | Rejection
AHEAD = 16
"""Files of one request that are read ahead of the network."""


class Step(NamedTuple):
    """Some more answers.

    Attributes:
        judged: Each entry and what the network says.
        files_done: Files answered, these included.
    """

    judged: list[tuple[Entry, PredictionDetails]]
    files_done: int


async def unpacked(reader: Reader, limits: Limits, uploads: Sequence[Upload]) -> list[Upload | Rejection]:
    """The files, those of archives in the place of the archive.

    Raises:
        kappatune.web.limits.Refusal: Archives hold too much.
    """
    items: list[Upload | Rejection] = []
    n_bytes, n_files = limits.inflated_bytes, limits.files
    for upload in uploads:
        found: Sequence[Upload | Rejection] = [upload]
        if upload.is_archive:
            found = await reader.unpack(upload, n_files, n_bytes)
            n_bytes -= sum(len(item.content) for item in found if isinstance(item, Upload))
        n_files -= len(found)
        items += found
    return items


async def steps(
    service: Service, items: Sequence[Upload | Rejection], structures: Sequence[Structure], fidelity: str
) -> AsyncGenerator[Step, None]:
    """Answer files, then structures, in order.

    Raises:
        kappatune.web.limits.Refusal: The files hold too many crystals.
    """
    todo = iter(items)
    reading: deque[asyncio.Task[Sequence[Entry]]] = deque()
    n_crystals = files_done = 0
    try:
        while True:
            while len(reading) < AHEAD and (item := next(todo, None)) is not None:
                reading.append(asyncio.create_task(_entries(service.reader, item)))
            if not reading:
                break
            entries = [*await reading.popleft()]
            files_done += 1
            while reading and reading[0].done() and len(entries) < PIECE:
                entries += reading.popleft().result()
                files_done += 1
            n_crystals += len(entries)
            if n_crystals > service.limits.crystals:
                raise too_many_crystals(service.limits)
            for start in range(0, len(entries), PIECE):
                piece = entries[start : start + PIECE]
                judged = await service.coalescer.judge(piece, fidelity)
                last = start + PIECE >= len(entries)
                yield Step([*zip(piece, judged, strict=True)], files_done if last else files_done - 1)
        for start in range(0, len(structures), PIECE):
            piece = await asyncio.to_thread(_crystals, structures[start : start + PIECE], start + 1, service.limits)
            yield Step([*zip(piece, await service.coalescer.judge(piece, fidelity), strict=True)], files_done)
    finally:
        for task in reading:
            task.cancel()


async def _entries(reader: Reader, item: Upload | Rejection) -> Sequence[Entry]:
    return [item] if isinstance(item, Rejection) else await reader.read(item)


def _crystals(structures: Sequence[Structure], first: int, limits: Limits) -> list[Entry]:
    return [crystal_of(structure, position, limits) for position, structure in enumerate(structures, first)]


def crystal_of(structure: Structure, position: int, limits: Limits) -> Entry:
    """The checked crystal of a structure, or why there is none."""
    if len(structure.species) > limits.atoms_per_crystal:
        said = f"the cell has {len(structure.species):,} atoms, this server takes {limits.atoms_per_crystal:,}"
        return Rejection(structure.id or f"structure {position}", f"{said}: give the primitive cell")
    crystal = structure.crystal(position)
    return crystal if isinstance(crystal, Rejection) else bounded(crystal, limits)
