"""AGL of many crystals: one row each, in order, whatever happens to one of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from kappatune.agl_workflow.workflow import AglResult, AglSettings, agl
from kappatune.errors import UserError
from kappatune.potentials.base import Potential, load_potential
from kappatune.processes import exit_with_parent, map_in_processes, use_one_thread
from kappatune.structures import Crystal, Rejection


def agl_or_reason(entry: Crystal | Rejection, potential: Potential, settings: AglSettings) -> AglResult:
    """AGL of one crystal, or a row with the reason why there is none."""
    if isinstance(entry, Rejection):
        return AglResult(id=entry.id, file=entry.file, formula=entry.formula, reason=entry.reason)
    try:
        return agl(entry, potential, settings)
    except UserError as error:
        return _without_kappa(entry, str(error), potential)
    except Exception as error:
        return _without_kappa(entry, f"AGL failed unexpectedly ({type(error).__name__}: {error})", potential)


def iter_agl(
    entries: Iterable[Crystal | Rejection], potential: str, settings: AglSettings, workers: int = 1
) -> Iterator[AglResult]:
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
        use_one_thread()
        for entry in entries:
            yield agl_or_reason(entry, loaded, settings)
        return
    del loaded
    yield from map_in_processes(
        _agl_in_worker, entries, workers, initializer=_start, initargs=(potential, settings), on_crash=_crashed
    )


def _crashed(entry: Crystal | Rejection) -> AglResult:
    return _without_kappa(entry, "the process died on this crystal: it may be too large for the memory", None)


def _without_kappa(entry: Crystal | Rejection, reason: str, potential: Potential | None) -> AglResult:
    named = str(potential) if potential else None
    return AglResult(id=entry.id, file=entry.file, formula=entry.formula, reason=reason, potential=named)


_worker: dict[str, Any] = {}


def _start(potential: str, settings: AglSettings) -> None:
    exit_with_parent()
    use_one_thread()
    _worker.update(potential=load_potential(potential), settings=settings)


def _agl_in_worker(entry: Crystal | Rejection) -> AglResult:
    return agl_or_reason(entry, _worker["potential"], _worker["settings"])
