"""AGL of many crystals: one result each, in order; one bad crystal never stops the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from kappatune.calculations.agl import agl_of_crystal
from kappatune.calculations.agl_result import AglResult
from kappatune.calculations.agl_settings import AglSettings
from kappatune.errors import UserError, unexpected
from kappatune.potentials import BadPotential, Potential, as_potential, load_potential
from kappatune.processes import exit_with_parent, map_in_processes, one_thread, use_one_thread
from kappatune.progress import Advanced, OnProgress, handler_or_default
from kappatune.results import Results
from kappatune.settings import BadSettings
from kappatune.structures import Crystal, Input, Rejection, as_entries

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator


def agl(
    structures: Input | Iterable[Input],
    calculator: str | Potential | Calculator = "chgnet",
    settings: AglSettings | None = None,
    workers: int = 1,
    on_progress: OnProgress | None = None,
) -> Results[AglResult]:
    """Compute lattice thermal conductivities with an interatomic potential, by the Debye-Grüneisen model AGL.

    >>> from ase.build import bulk
    >>> from ase.calculators.emt import EMT
    >>> import kappatune
    >>> (copper,) = kappatune.agl(bulk("Cu"), EMT())
    >>> print(f"{copper.formula}: {copper.debye_temperature_k:.0f} K")
    Cu: 352 K

    Args:
        structures: One structure or several: ASE `Atoms`, pymatgen `Structure`s, `Crystal`s, paths of files, folders
            and glob patterns; see `kappatune.structures.as_entries`.
        calculator: `chgnet`, `sevennet`, `sevennet-l3i5`, `mace`, `nequix`, the path of Nequix weights, or
            `my_file.py:make`, where `make()` returns an ASE calculator; or an ASE calculator.
        settings: How AGL is done; `AglSettings()` by default.
        workers: Processes, each with its own potential on one thread. Several need a potential by name.
        on_progress: Called with an event after each crystal; by default progress is shown on stderr if that is a
            terminal.

    Returns:
        One result per crystal, in order. One that cannot be computed has no numbers but a `reason`.

    Raises:
        BadPotential: The potential cannot be loaded, or is an object where several workers need a name.
        BadSettings: There are no workers.
    """
    if workers < 1:
        raise BadSettings(f"workers: {workers} is not at least 1")
    settings = settings or AglSettings()
    entries = list(as_entries(structures))
    results: Results[AglResult] = Results()
    with handler_or_default(on_progress) as report:
        for result in iter_agl(entries, calculator, settings, workers):
            results.append(result)
            report(Advanced(len(results), len(entries)))
    return results


def iter_agl(
    entries: Iterable[Crystal | Rejection],
    calculator: str | Potential | Calculator,
    settings: AglSettings,
    workers: int = 1,
) -> Iterator[AglResult]:
    """The results of `agl`, each as soon as it and those before it are there.

    Args:
        entries: Crystals as `read_crystals` yields them; read a bounded number ahead.
        calculator: As for `agl`.
        settings: How AGL is done.
        workers: As for `agl`.

    Yields:
        One result per entry, in order; the number of workers changes only the time. A crystal that kills its worker
        process gets a result with a reason.

    Raises:
        BadPotential: As for `agl`.
    """
    potential = as_potential(calculator)
    if workers == 1:
        with one_thread():
            for entry in entries:
                yield agl_or_reason(entry, potential, settings)
        return
    if not isinstance(calculator, str):
        raise BadPotential(f"several workers need a potential by name, not {potential!r}: see load_potential")
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
        return _without_kappa(entry, f"AGL failed unexpectedly ({unexpected(error)})", potential)


def _crashed(entry: Crystal | Rejection) -> AglResult:
    return _without_kappa(
        entry, "the process died while working on this crystal: it may need more memory than this machine has", None
    )


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
