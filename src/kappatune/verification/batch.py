"""Verification of many crystals: one row each, in order; an error concerns only its own crystal."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from multiprocessing import get_context
from typing import Any

from kappatune.potentials import BadPotential
from kappatune.processes import exit_with_parent, map_in_processes, one_thread
from kappatune.progress import Event, OnProgress, ignore
from kappatune.structures import Crystal, Rejection
from kappatune.verification.row import Verification
from kappatune.verification.spec import VerifierSpec, chosen_potential, row_of_crash, use_one_thread_for_phonons
from kappatune.verification.verifier import Verifier


def iter_verifications(
    entries: Iterable[Crystal | Rejection],
    spec: VerifierSpec,
    workers: int | None = None,
    on_progress: OnProgress = ignore,
    ray: str | None = None,
) -> Iterator[Verification]:
    """Verify many crystals, one after the other or several at once.

    Args:
        entries: What `read_crystals` gives.
        spec: Potential, settings, folder and model.
        workers: Number of processes, each with its own potential on one thread; by default one, and on a cluster one
            for each CPU.
        on_progress: Called with the events of `kappatune.verification.events`; with several processes, from a
            thread.
        ray: Address of a Ray cluster to work on: `local`, `auto`, or `HOST:PORT` of its head node.

    Yields:
        One row per entry, in order. The number of workers changes only the time. An interrupted run continues from
        `spec.out`. A crystal that kills its process gets a row with a reason.

    Raises:
        NoPhono3py: phono3py is not installed.
        BadPotential: The potential cannot be loaded, or is an object where several workers need a name.
        BadBundle: The model cannot be loaded.
        BadRequest: A folder cannot be written; there is no cluster at that address, or its nodes differ or do not see
            the folders.
    """
    spec = replace(spec, calculator=chosen_potential(spec.calculator, on_progress))
    if ray is not None:
        from kappatune.verification.ray_batch import iter_on_ray

        yield from iter_on_ray(entries, _by_name(spec), workers, ray, on_progress)
        return
    workers = 1 if workers is None else workers
    verifier = spec.load()
    if workers == 1:
        with one_thread():
            for entry in entries:
                yield verifier.verify(entry, on_progress)
        return
    spec = _by_name(spec)
    del verifier
    events = get_context("spawn").Queue()
    listener = threading.Thread(target=_pass_on, args=(events, on_progress), daemon=True)
    listener.start()
    try:
        yield from map_in_processes(
            _verify_in_worker,
            entries,
            workers,
            initializer=_start_worker,
            initargs=(spec, events),
            on_crash=row_of_crash,
        )
    finally:
        events.put(None)
        listener.join()


def _by_name(spec: VerifierSpec) -> VerifierSpec:
    if not isinstance(spec.calculator, str):
        raise BadPotential(f"several workers need a potential by name, not {spec.calculator!r}: see load_potential")
    return spec


def _pass_on(events: Any, on_progress: OnProgress) -> None:
    event: Event
    for event in iter(events.get, None):
        on_progress(event)


_worker: dict[str, Any] = {}
"""What `_start_worker` leaves in a worker process."""


def _start_worker(spec: VerifierSpec, events: Any) -> None:
    exit_with_parent()
    use_one_thread_for_phonons()
    _worker.update(verifier=spec.load(), events=events)


def _verify_in_worker(entry: Crystal | Rejection) -> Verification:
    verifier: Verifier = _worker["verifier"]
    return verifier.verify(entry, _worker["events"].put)
