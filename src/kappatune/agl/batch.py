"""AGL of many crystals: one row each, in order, whatever happens to one of them."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from kappatune.agl.workflow import AglAnswer, AglSettings, agl
from kappatune.errors import UserError
from kappatune.potentials import Potential, load_potential
from kappatune.processes import end_with_parent, one_thread
from kappatune.structures import Crystal, Rejection

_AHEAD = 4


def answer(entry: Crystal | Rejection, potential: Potential, settings: AglSettings) -> AglAnswer:
    """AGL of one crystal, or a row with the reason why there is none."""
    if isinstance(entry, Rejection):
        return AglAnswer(id=entry.id, file=entry.file, formula=entry.formula, reason=entry.reason)
    try:
        return agl(entry, potential, settings)
    except UserError as error:
        return _unanswered(entry, str(error), potential)
    except Exception as error:
        return _unanswered(entry, f"AGL failed unexpectedly ({type(error).__name__}: {error})", potential)


def answer_all(
    entries: Iterable[Crystal | Rejection], potential: str, settings: AglSettings, workers: int = 1
) -> Iterator[AglAnswer]:
    """AGL of many crystals.

    Args:
        entries: What `read_crystals` gives.
        potential: As `load_potential` takes it.
        settings: How AGL is done.
        workers: Processes, each with a potential of its own on one thread.

    Yields:
        One row per entry, in order; the number of workers changes nothing in it but the time. A crystal that kills
        its worker gets a row with a reason.

    Raises:
        BadPotential: The potential cannot be loaded.
    """
    loaded = load_potential(potential)
    if workers == 1:
        one_thread()
        for entry in entries:
            yield answer(entry, loaded, settings)
        return
    del loaded
    yield from _in_processes(entries, potential, settings, workers)


def _in_processes(
    entries: Iterable[Crystal | Rejection], potential: str, settings: AglSettings, workers: int
) -> Iterator[AglAnswer]:
    waiting: deque[tuple[Crystal | Rejection, Future[AglAnswer]]] = deque()
    source = iter(entries)
    pool = _pool(potential, settings, workers)
    try:
        while True:
            while len(waiting) < _AHEAD * workers and (entry := next(source, None)) is not None:
                waiting.append((entry, pool.submit(_answer_here, entry)))
            if not waiting:
                return
            entry, future = waiting.popleft()
            try:
                yield future.result()
            except BrokenProcessPool:
                pool.shutdown(cancel_futures=True)
                yield _alone(entry, potential, settings)
                pool = _pool(potential, settings, workers)
                waiting = deque((other, pool.submit(_answer_here, other)) for other, _ in waiting)
    finally:
        pool.shutdown(cancel_futures=True)


def _alone(entry: Crystal | Rejection, potential: str, settings: AglSettings) -> AglAnswer:
    """Try a crystal in a process of its own, for it may have killed the last one."""
    with _pool(potential, settings, 1) as pool:
        try:
            return pool.submit(_answer_here, entry).result()
        except BrokenProcessPool:
            return _unanswered(entry, "the process died on this crystal: it may be too large for the memory", None)


def _pool(potential: str, settings: AglSettings, workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_start, initargs=(potential, settings)
    )


def _unanswered(entry: Crystal | Rejection, reason: str, potential: Potential | None) -> AglAnswer:
    named = str(potential) if potential else None
    return AglAnswer(id=entry.id, file=entry.file, formula=entry.formula, reason=reason, potential=named)


_here: dict[str, Any] = {}


def _start(potential: str, settings: AglSettings) -> None:
    end_with_parent()
    one_thread()
    _here.update(potential=load_potential(potential), settings=settings)


def _answer_here(entry: Crystal | Rejection) -> AglAnswer:
    return answer(entry, _here["potential"], _here["settings"])
