"""Batches from many small requests: crystals that arrive within a few milliseconds share one pass of the network."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from kappatune.model.kappa_model import KappaModel
from kappatune.model.prediction import Prediction, PredictionDetails
from kappatune.structures import Crystal, Rejection

WINDOW_S = 0.004
"""How long the first crystal waits for others. While one batch is predicted, the next one collects anyway."""

QUEUED_PER_REQUEST = 32
"""Crystals that one request may have in the queue, so that small requests need not wait for large ones."""

BATCH_SIZE = 128
"""A batch is closed once it holds this many crystals."""

MIN_PER_THREAD = 4
"""Fewest crystals of a batch that are worth a thread of their own."""

_log = logging.getLogger(__name__)


class _Job(NamedTuple):
    entries: Sequence[Crystal | Rejection]
    fidelity: str
    done: asyncio.Future[list[PredictionDetails]]


class RequestBatcher:
    """The model, a queue of crystals before it, and the threads that share the work of a batch.

    Attributes:
        model: The model.
        batches: Batches predicted so far.
        crystals: Crystals in them.
    """

    def __init__(self, model: KappaModel) -> None:
        self.model = model
        self.batches = self.crystals = 0
        self._queue: asyncio.Queue[_Job] = asyncio.Queue()
        self._n_threads = os.cpu_count() or 1
        self._threads = ThreadPoolExecutor(self._n_threads, thread_name_prefix="network")

    async def predict(self, entries: Sequence[Crystal | Rejection], fidelity: str) -> list[PredictionDetails]:
        """Predict the entries of one request, in order. If this is cancelled, entries still queued are dropped."""
        predicted: list[PredictionDetails] = []
        for start in range(0, len(entries), QUEUED_PER_REQUEST):
            done: asyncio.Future[list[PredictionDetails]] = asyncio.get_running_loop().create_future()
            self._queue.put_nowait(_Job(entries[start : start + QUEUED_PER_REQUEST], fidelity, done))
            predicted += await done
        return predicted

    async def run(self) -> None:
        """Predict what is queued, until cancelled."""
        while True:
            jobs = [await self._queue.get()]
            await asyncio.sleep(WINDOW_S)
            while not self._queue.empty() and sum(len(job.entries) for job in jobs) < BATCH_SIZE:
                jobs.append(self._queue.get_nowait())
            for fidelity in dict.fromkeys(job.fidelity for job in jobs):
                batch = [job for job in jobs if job.fidelity == fidelity and not job.done.done()]
                if batch:
                    await self._predict_jobs(batch, fidelity)

    async def _predict_jobs(self, jobs: list[_Job], fidelity: str) -> None:
        entries = [entry for job in jobs for entry in job.entries]
        share = max(MIN_PER_THREAD, -(-len(entries) // self._n_threads))
        loop = asyncio.get_running_loop()
        shares = [
            loop.run_in_executor(self._threads, self._predict, entries[start : start + share], fidelity)
            for start in range(0, len(entries), share)
        ]
        predicted = [details for part in await asyncio.gather(*shares) for details in part]
        self.batches += 1
        self.crystals += len(entries)
        for job in jobs:
            if not job.done.done():
                job.done.set_result(predicted[: len(job.entries)])
            predicted = predicted[len(job.entries) :]

    def _predict(self, entries: list[Crystal | Rejection], fidelity: str) -> list[PredictionDetails]:
        """Predict a batch; one that fails is halved until the crystal that makes it fail is found."""
        try:
            return self.model.predict_with_details(entries, fidelity)
        except Exception as error:
            if len(entries) > 1:
                half = len(entries) // 2
                return self._predict(entries[:half], fidelity) + self._predict(entries[half:], fidelity)
            (entry,) = entries
            _log.exception("the network failed for %r", entry.id)
            reason = f"the network failed for this crystal ({type(error).__name__}): check that it is realistic"
            return [PredictionDetails(Prediction(id=entry.id, file=entry.file, formula=entry.formula, reason=reason))]

    def close(self) -> None:
        """Stop the threads once they have finished their batch."""
        self._threads.shutdown(wait=False, cancel_futures=True)
