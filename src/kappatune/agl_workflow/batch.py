"""AGL of many crystals: one result each, in order; one bad crystal never stops the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from kappatune.calculations.agl import agl_of_crystal
from kappatune.calculations.agl_result import AglResult
from kappatune.calculations.agl_settings import AglSettings
from kappatune.errors import UserError
from kappatune.potentials import Potential, load_potential
from kappatune.processes import exit_with_parent, map_in_processes, use_one_thread
from kappatune.structures import Crystal, Rejection


def iter_agl(
    entries: Iterable[Crystal | Rejection], calculator: str, settings: AglSettings, workers: int = 1
) -> Iterator[AglResult]:
    """AGL of many crystals, one after the other.

    Args:
        entries: Crystals as `read_crystals` yields them; read a bounded number ahead.
        calculator: Potential, as `load_potential` takes it.
        settings: How AGL is done.
        workers: Processes, each with its own potential on one thread.

    Yields:
        One result per entry, in order; the number of workers changes only the time. A crystal that kills its worker
        process gets a result with a reason.

    Raises:
        BadPotential: The potential cannot be loaded.
    """
    potential = load_potential(calculator)
    if workers == 1:
        use_one_thread()
        for entry in entries:
            yield agl_or_reason(entry, potential, settings)
        return
    del potential
    yield from map_in_processes(
        _agl_in_worker, entries, workers, initializer=_start_worker, initargs=(calculator, settings), on_crash=_crashed
    )


def agl_or_reason(entry: Crystal | Rejection, potential: Potential, settings: AglSettings) -> AglResult:
    """AGL of one crystal, or a result with the reason why there is none."""
    if isinstance(entry, Rejection):
        return AglResult(id=entry.id, file=entry.file, formula=entry.formula, reason=entry.reason)
    try:
        return agl_of_crystal(entry, potential, settings)
    except UserError as error:
        return _without_kappa(entry, str(error), potential)
    except Exception as error:
        return _without_kappa(entry, f"AGL failed unexpectedly ({type(error).__name__}: {error})", potential)


def _crashed(entry: Crystal | Rejection) -> AglResult:
    return _without_kappa(entry, "the process died on this crystal: it may be too large for the memory", None)


def _without_kappa(entry: Crystal | Rejection, reason: str, potential: Potential | None) -> AglResult:
    name = str(potential) if potential else None
    return AglResult(id=entry.id, file=entry.file, formula=entry.formula, reason=reason, potential=name)


_worker: dict[str, Any] = {}


def _start_worker(calculator: str, settings: AglSettings) -> None:
    exit_with_parent()
    use_one_thread()
    _worker.update(potential=load_potential(calculator), settings=settings)


def _agl_in_worker(entry: Crystal | Rejection) -> AglResult:
    return agl_or_reason(entry, _worker["potential"], _worker["settings"])
