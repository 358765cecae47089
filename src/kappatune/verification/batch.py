"""Verification of many crystals: one row each, in order, whatever happens to one of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from kappatune.model.kappa_model import KappaModel
from kappatune.potentials.base import load_potential
from kappatune.processes import exit_with_parent, map_in_processes, use_one_thread
from kappatune.structures import Crystal, Rejection
from kappatune.verification.row import Verification
from kappatune.verification.settings import VerifySettings
from kappatune.verification.verifier import Verifier

Progress = Callable[[str, str, int, int], None]
"""Told of a crystal's id, what is being done, how many steps of it are done, and how many there are."""


@dataclass(frozen=True)
class Request:
    """What a verification of many crystals is asked to do.

    Attributes:
        calculator: Potential, as `load_potential` takes it.
        settings: How.
        out: Folder where steps are kept; the same request finds them again.
        model: Name or folder of the model whose predictions are judged; None judges none.
        born: BORN file of the one crystal there is; None looks for `NAME.born` beside each file.
        figures: Folder for figures; None draws none.
    """

    calculator: str
    settings: VerifySettings
    out: Path
    model: str | None = "accurate"
    born: Path | None = None
    figures: Path | None = None

    def verifier(self) -> Verifier:
        """Load potential and model.

        Raises:
            BadPotential: The potential cannot be loaded.
            BadBundle: The model cannot.
        """
        potential = load_potential(self.calculator)
        model = None if self.model is None else KappaModel.load(self.model)
        return Verifier(potential, self.settings, self.out, model, self.born, self.figures)


def verify_all(
    entries: Iterable[Crystal | Rejection],
    request: Request,
    workers: int = 1,
    progress: Progress = lambda *_: None,
) -> Iterator[Verification]:
    """Verify many crystals.

    Args:
        entries: What `read_crystals` gives.
        request: What to do.
        workers: Processes, each with a potential of its own on one thread.
        progress: Told what is going on; with several processes, from a thread.

    Yields:
        One row per entry, in order; the number of workers changes nothing in it but the time. What was interrupted
        goes on from `request.out`. A crystal that kills its worker gets a row with a reason.

    Raises:
        BadPotential: The potential cannot be loaded.
        BadBundle: The model cannot be loaded.
    """
    verifier = request.verifier()
    if workers == 1:
        use_one_thread()
        for entry in entries:
            yield verifier.verify(entry, lambda *event, name=entry.id: progress(name, *event))
        return
    del verifier
    news = get_context("spawn").Queue()
    teller = threading.Thread(target=_tell, args=(news, progress), daemon=True)
    teller.start()
    try:
        yield from map_in_processes(
            _verify_here, entries, workers, initializer=_start, initargs=(request, news), on_crash=_crashed
        )
    finally:
        news.put(None)
        teller.join()


def _tell(news: Any, progress: Progress) -> None:
    for event in iter(news.get, None):
        progress(*event)


def _crashed(entry: Crystal | Rejection) -> Verification:
    return Verification(
        id=entry.id,
        file=entry.file,
        formula=entry.formula,
        outcome="failed",
        reason="the process died on this crystal: it may be too large for the memory",
    )


_here: dict[str, Any] = {}


def _start(request: Request, news: Any) -> None:
    os.environ["RAYON_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
    exit_with_parent()
    use_one_thread()
    _here.update(verifier=request.verifier(), news=news)


def _verify_here(entry: Crystal | Rejection) -> Verification:
    verifier: Verifier = _here["verifier"]
    return verifier.verify(entry, lambda *event: _here["news"].put((entry.id, *event)))
