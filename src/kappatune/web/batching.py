"""Many small requests, one network: what arrives within a few milliseconds is judged together."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from kappatune.model.kappa_model import KappaModel, Prediction, PredictionDetails
from kappatune.structures import Crystal, Rejection

Entry = Crystal | Rejection

WINDOW_S = 0.004
"""How long the first crystal waits for company. While one batch is judged, the next gathers anyway."""

PIECE = 32
"""Crystals that one request may have in the queue, so that small requests come in between."""

BATCH = 128
"""Crystals judged at once, at most, but for a last piece."""

SHARE = 4
"""Crystals a thread gets of a batch, at least: fewer are not worth a thread of their own."""

_log = logging.getLogger(__name__)


class _Job(NamedTuple):
    entries: Sequence[Entry]
    fidelity: str
    done: asyncio.Future[list[PredictionDetails]]


class Coalescer:
    """The network, the threads that share a batch among them, and the queue before it.

    Attributes:
        model: The network.
        batches: Batches judged so far.
        crystals: Crystals in them.
    """

    def __init__(self, model: KappaModel) -> None:
        self.model = model
        self.batches = self.crystals = 0
        self._queue: asyncio.Queue[_Job] = asyncio.Queue()
        self._n_threads = os.cpu_count() or 1
        self._threads = ThreadPoolExecutor(self._n_threads, thread_name_prefix="network")

    async def judge(self, entries: Sequence[Entry], fidelity: str) -> list[PredictionDetails]:
        """Judge the entries of one request, in order. When this is cancelled, what is still queued is dropped."""
        judged: list[PredictionDetails] = []
        for start in range(0, len(entries), PIECE):
            done: asyncio.Future[list[PredictionDetails]] = asyncio.get_running_loop().create_future()
            self._queue.put_nowait(_Job(entries[start : start + PIECE], fidelity, done))
            judged += await done
        return judged

    async def run(self) -> None:
        """Judge what is queued, until cancelled."""
        while True:
            jobs = [await self._queue.get()]
            await asyncio.sleep(WINDOW_S)
            while not self._queue.empty() and sum(len(job.entries) for job in jobs) < BATCH:
                jobs.append(self._queue.get_nowait())
            for fidelity in dict.fromkeys(job.fidelity for job in jobs):
                wanted = [job for job in jobs if job.fidelity == fidelity and not job.done.done()]
                if wanted:
                    await self._judge_together(wanted, fidelity)

    async def _judge_together(self, jobs: list[_Job], fidelity: str) -> None:
        entries = [entry for job in jobs for entry in job.entries]
        share = max(SHARE, -(-len(entries) // self._n_threads))
        loop = asyncio.get_running_loop()
        shares = [
            loop.run_in_executor(self._threads, self._judge, entries[start : start + share], fidelity)
            for start in range(0, len(entries), share)
        ]
        judged = [one for part in await asyncio.gather(*shares) for one in part]
        self.batches += 1
        self.crystals += len(entries)
        for job in jobs:
            if not job.done.done():
                job.done.set_result(judged[: len(job.entries)])
            judged = judged[len(job.entries) :]

    def _judge(self, entries: list[Entry], fidelity: str) -> list[PredictionDetails]:
        """Judge a batch; one that fails is halved until the crystal is found that it fails for."""
        try:
            return self.model.predict_with_details(entries, fidelity)
        except Exception as error:
            if len(entries) > 1:
                half = len(entries) // 2
                return self._judge(entries[:half], fidelity) + self._judge(entries[half:], fidelity)
            (entry,) = entries
            _log.exception("the network failed for %r", entry.id)
            reason = f"the network failed for this crystal ({type(error).__name__}): check that it is realistic"
            return [PredictionDetails(Prediction(id=entry.id, file=entry.file, formula=entry.formula, reason=reason))]

    def close(self) -> None:
        """Let the threads end with the batch they have."""
        self._threads.shutdown(wait=False, cancel_futures=True)
