"""AGL of many crystals: one row each, in order, whatever happens to one of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from kappatune.agl_workflow.workflow import AglAnswer, AglSettings, agl
from kappatune.errors import UserError
from kappatune.potentials.base import Potential, load_potential
from kappatune.processes import end_with_parent, in_processes, one_thread
from kappatune.structures import Crystal, Rejection


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
    yield from in_processes(
        entries, workers, start=_start, arguments=(potential, settings), answer=_answer_here, died=_died
    )


def _died(entry: Crystal | Rejection) -> AglAnswer:
    return _unanswered(entry, "the process died on this crystal: it may be too large for the memory", None)


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
