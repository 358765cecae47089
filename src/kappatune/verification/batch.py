"""Verification of many crystals: one row each, in order; an error concerns only its own crystal."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kappatune.model.kappa_model import KappaModel
from kappatune.potentials import BEST, BadPotential, Potential, as_potential, best_available
from kappatune.processes import exit_with_parent, map_in_processes, one_thread, use_one_thread
from kappatune.progress import Event, OnProgress, ignore
from kappatune.structures import Crystal, Rejection
from kappatune.verification.events import NequixMissing
from kappatune.verification.prepare import require_phono3py
from kappatune.verification.row import Verification
from kappatune.verification.settings import VerifySettings
from kappatune.verification.verifier import Verifier

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator


@dataclass(frozen=True)
class VerifierSpec:
    """What a process needs in order to load a `Verifier`.

    Attributes:
        calculator: Potential by name, as `load_potential` takes it, or as an object, for one process only.
        settings: How kappa is computed.
        out: Folder for finished steps; a later run with the same settings finds them again.
        model: The model whose predictions are assessed, or its name or folder; None for none.
        born: BORN file if there is only one crystal; None looks for `NAME.born` beside each file.
        figures: Folder for figures; None draws none.
        files: Folder for the files of phono3py; None writes none.
    """

    calculator: str | Potential | Calculator
    settings: VerifySettings
    out: Path
    model: str | KappaModel | None = "accurate"
    born: Path | None = None
    figures: Path | None = None
    files: Path | None = None

    def load(self) -> Verifier:
        """Load potential and model.

        Raises:
            NoPhono3py: phono3py is not installed.
            BadPotential: The potential cannot be loaded.
            BadBundle: The model cannot be loaded.
        """
        require_phono3py()
        potential = as_potential(self.calculator)
        model = KappaModel.load(self.model) if isinstance(self.model, str) else self.model
        return Verifier(potential, self.settings, self.out, model, self.born, self.figures, self.files)


def chosen_potential(
    calculator: str | Potential | Calculator, on_progress: OnProgress = ignore
) -> str | Potential | Calculator:
    """The potential that `best` stands for on this machine; any other is returned as it is.

    Args:
        calculator: As for `VerifierSpec`.
        on_progress: Told if `best` is not Nequix.
    """
    if calculator != BEST:
        return calculator
    name = best_available()
    if name != "nequix":
        on_progress(NequixMissing(name))
    return name


def iter_verifications(
    entries: Iterable[Crystal | Rejection],
    spec: VerifierSpec,
    workers: int = 1,
    on_progress: OnProgress = ignore,
) -> Iterator[Verification]:
    """Verify many crystals, one after the other or several at once.

    Args:
        entries: What `read_crystals` gives.
        spec: Potential, settings, folder and model.
        workers: Number of processes, each with its own potential on one thread.
        on_progress: Called with the events of `kappatune.verification.events`; with several processes, from a
            thread.

    Yields:
        One row per entry, in order. The number of workers changes only the time. An interrupted run continues from
        `spec.out`. A crystal that kills its process gets a row with a reason.

    Raises:
        NoPhono3py: phono3py is not installed.
        BadPotential: The potential cannot be loaded, or is an object where several workers need a name.
        BadBundle: The model cannot be loaded.
    """
    spec = replace(spec, calculator=chosen_potential(spec.calculator, on_progress))
    verifier = spec.load()
    if workers == 1:
        with one_thread():
            for entry in entries:
                yield verifier.verify(entry, on_progress)
        return
    if not isinstance(spec.calculator, str):
        raise BadPotential(f"several workers need a potential by name, not {spec.calculator!r}: see load_potential")
    del verifier
    events = get_context("spawn").Queue()
    listener = threading.Thread(target=_pass_on, args=(events, on_progress), daemon=True)
    listener.start()
    try:
        yield from map_in_processes(
            _verify_in_worker, entries, workers, initializer=_start_worker, initargs=(spec, events), on_crash=_crashed
        )
    finally:
        events.put(None)
        listener.join()


def _pass_on(events: Any, on_progress: OnProgress) -> None:
    event: Event
    for event in iter(events.get, None):
        on_progress(event)


def _crashed(entry: Crystal | Rejection) -> Verification:
    return Verification(
        id=entry.id,
        file=entry.file,
        formula=entry.formula,
        remarks=entry.remarks if isinstance(entry, Crystal) else (),
        outcome="failed",
        reason="the process died while working on this crystal: it may need more memory than this machine has",
    )


_worker: dict[str, Any] = {}
"""What `_start_worker` leaves in a worker process."""


def _start_worker(spec: VerifierSpec, events: Any) -> None:
    os.environ["RAYON_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
    exit_with_parent()
    use_one_thread()
    _worker.update(verifier=spec.load(), events=events)


def _verify_in_worker(entry: Crystal | Rejection) -> Verification:
    verifier: Verifier = _worker["verifier"]
    return verifier.verify(entry, _worker["events"].put)
