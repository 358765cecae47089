"""`verify` and `estimate_cost`: verification of anything that Python code may hold as a structure."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from kappatune.errors import UserError, unexpected
from kappatune.model.kappa_model import KappaModel
from kappatune.potentials import Potential, as_potential
from kappatune.processes import one_thread
from kappatune.progress import OnProgress, ignore
from kappatune.results import Results
from kappatune.settings import BadSettings
from kappatune.structures import Crystal, Rejection
from kappatune.structures.inputs import Input, as_entries
from kappatune.verification.batch import iter_verifications
from kappatune.verification.born import BadBorn
from kappatune.verification.cost import Cost, measure_cost
from kappatune.verification.display import crystals_on_stderr
from kappatune.verification.prepare import prepare, require_phono3py
from kappatune.verification.row import Verification
from kappatune.verification.settings import DEFAULT_TEMPERATURES_K, Quality, VerifySettings
from kappatune.verification.spec import VerifierSpec, chosen_potential
from kappatune.verification.standard_cell import standardise

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator


class CostEstimate(BaseModel):
    """What the verification of one crystal would cost, or why it cannot be verified.

    Attributes:
        id: Name of the crystal.
        potential: The potential that was timed.
        n_forces: Force calculations in all.
        n_atoms: Atoms of the supercell for third order.
        n_harmonic_atoms: Atoms of the supercell for second order.
        seconds_per_force: One force calculation of the supercell for third order, s: one of the harmonic supercell is
            measured, and scaled by the number of atoms.
        seconds: The whole verification, s.
        memory_gb: Peak memory, 10^9 bytes.
        instead_of_pairs: Force calculations that displaced pairs would take, where snapshots are used in their place;
            None where pairs are.
        reason: Why there is no estimate.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    potential: str | None = None
    n_forces: int | None = None
    n_atoms: int | None = None
    n_harmonic_atoms: int | None = None
    seconds_per_force: float | None = None
    seconds: float | None = None
    memory_gb: float | None = None
    instead_of_pairs: int | None = None
    reason: str | None = None

    def __str__(self) -> str:
        """In one line."""
        if self.reason is not None:
            return f"{self.id}: {self.reason}"
        return f"{self.id}: {Cost(**self.model_dump(exclude={'id', 'potential', 'reason'}))}"


def verify(
    structures: Input | Iterable[Input],
    calculator: str | Potential | Calculator = "best",
    quality: Quality = "standard",
    *,
    settings: VerifySettings | None = None,
    temperatures_k: Sequence[float] | None = None,
    model: str | Path | KappaModel | None = "accurate",
    out: str | Path | None = None,
    born: str | Path | None = None,
    figures: str | Path | None = None,
    files: str | Path | None = None,
    workers: int | None = None,
    ray: str | None = None,
    on_progress: OnProgress | None = None,
) -> Results[Verification]:
    """Compute kappa from phonons with an interatomic potential, and compare the prediction of a model with it.

    Each crystal is relaxed and its atoms are displaced; phono3py turns the forces into force constants and solves the
    phonon Boltzmann equation. AGL of the same relaxed crystal, the prediction and the verdict are in the same row.

    Example:
        >>> from kappatune.verification import verify
        >>> rows = verify("mgo.cif", quality="quick", out="runs/verify")
        >>> rows[0].kappa_bte_w_mk, rows[0].verdict, rows[0].because
        >>> rows.to_pandas()

    Args:
        structures: One structure or many: `Crystal`, pymatgen `Structure`, ASE `Atoms`, or paths of files and
            folders.
        calculator: The potential: a name (`load_potential` lists them; `best` is Nequix if its weights are on this
            machine, and SevenNet-l3i5 otherwise), a `Potential`, or an ASE calculator. Several workers need a name, and
            so does continuing after an interruption: two ASE calculators cannot be compared.
        quality: `quick`, `standard` or `converged`.
        settings: All settings; replaces `quality`.
        temperatures_k: Temperatures of kappa(T), K; 300 is always among them. By default those of `settings`, or 200 to
            1000 K.
        model: The model whose prediction is compared, its name or its folder; None for none.
        out: Folder for finished steps: after an interruption the same call continues there, and reuses finished
            crystals. None stores nothing.
        born: File of Born charges in phonopy's format, for a single crystal; None looks for `NAME.born` beside each
            structure file.
        figures: Folder for a PNG per crystal; None draws none.
        files: Folder for the files of phono3py, one folder per crystal (`verification.phono3py_files`); None writes
            none.
        workers: Number of processes, each with a crystal of its own; by default one, and on a cluster one for each
            CPU. More than one needs a script whose calls lie under `if __name__ == "__main__":`.
        ray: Address of a Ray cluster to work on: `local`, `auto`, or `HOST:PORT` of its head node. `out` and the
            working directory must lie on storage that all nodes share.
        on_progress: Called with each event of `kappatune.verification.events`. By default progress is shown on stderr
            if that is a terminal.

    Returns:
        One row per crystal, in order. A crystal without a phonon value has an `outcome` and a `reason`.

    Raises:
        BadSettings: A setting makes no sense.
        NoPhono3py: phono3py is not installed.
        BadPotential: The potential cannot be loaded.
        BadBundle: The model cannot be loaded.
        BadBorn: A BORN file is given for several crystals.
        BadRequest: A folder cannot be written; there is no Ray cluster at that address, or its nodes differ or do not
            see the folders.
    """
    if workers is not None and workers < 1:
        raise BadSettings(f"workers: {workers} is not at least 1")
    chosen = _chosen_settings(quality, settings, temperatures_k)
    entries: Iterable[Crystal | Rejection] = as_entries(structures)
    if born is not None:
        entries = _single_crystal(entries)
    with _folder(out) as folder, _progress(on_progress) as handler:
        spec = VerifierSpec(
            calculator,
            chosen,
            folder,
            model,
            None if born is None else Path(born),
            None if figures is None else Path(figures),
            None if files is None else Path(files),
        )
        return Results(iter_verifications(entries, spec, workers, handler, ray))


def estimate_cost(
    structures: Input | Iterable[Input],
    calculator: str | Potential | Calculator = "best",
    quality: Quality = "standard",
    *,
    settings: VerifySettings | None = None,
    temperatures_k: Sequence[float] | None = None,
) -> Results[CostEstimate]:
    """What `verify` with the same arguments would cost: force calculations, time and memory.

    The potential is evaluated three times per crystal. `docs/verify.md` says how good the times are.

    Example:
        >>> from kappatune.verification import estimate_cost
        >>> estimate_cost("candidates/", "sevennet-l3i5").to_pandas()[["id", "n_forces", "seconds"]]

    Args:
        structures: As for `verify`.
        calculator: As for `verify`.
        quality: As for `verify`.
        settings: As for `verify`.
        temperatures_k: As for `verify`.

    Returns:
        One row per crystal, in order; one that cannot be verified has a `reason`.

    Raises:
        BadSettings: A setting makes no sense.
        NoPhono3py: phono3py is not installed.
        BadPotential: The potential cannot be loaded.
    """
    chosen = _chosen_settings(quality, settings, temperatures_k)
    return Results(iter_costs(as_entries(structures), calculator, chosen))


def iter_costs(
    entries: Iterable[Crystal | Rejection],
    calculator: str | Potential | Calculator,
    settings: VerifySettings,
    on_progress: OnProgress = ignore,
) -> Iterator[CostEstimate]:
    """The costs of many crystals, each as soon as it is known.

    Args:
        entries: What `read_crystals` gives.
        calculator: As for `verify`.
        settings: Supercells, cutoff and mesh.
        on_progress: Told if `best` is not Nequix.

    Raises:
        NoPhono3py: phono3py is not installed.
        BadPotential: The potential cannot be loaded.
    """
    require_phono3py()
    potential = as_potential(chosen_potential(calculator, on_progress))
    with one_thread():
        for entry in entries:
            yield _estimate(entry, potential, settings)


def _estimate(entry: Crystal | Rejection, potential: Potential, settings: VerifySettings) -> CostEstimate:
    if isinstance(entry, Rejection):
        return CostEstimate(id=entry.id, reason=entry.reason)
    try:
        potential.check_elements(entry.numbers)
        prepared = prepare(standardise(entry, settings.symprec), settings)
        return CostEstimate(id=entry.id, potential=str(potential), **vars(measure_cost(prepared, potential, settings)))
    except UserError as error:
        return CostEstimate(id=entry.id, reason=str(error))
    except Exception as error:
        return CostEstimate(id=entry.id, reason=f"the estimate failed unexpectedly ({unexpected(error)})")


def _chosen_settings(
    quality: Quality, settings: VerifySettings | None, temperatures_k: Sequence[float] | None
) -> VerifySettings:
    if settings is None:
        wanted = DEFAULT_TEMPERATURES_K if temperatures_k is None else temperatures_k
        return VerifySettings.of(quality, temperatures_k=tuple(wanted))
    return settings if temperatures_k is None else settings.replace(temperatures_k=tuple(temperatures_k))


def _single_crystal(entries: Iterable[Crystal | Rejection]) -> list[Crystal | Rejection]:
    found = list(entries)
    if len(found) != 1:
        raise BadBorn(
            f"one file of Born charges is for one crystal, not for {len(found)}: put a file NAME.born beside each "
            "structure file instead"
        )
    return found


@contextmanager
def _folder(out: str | Path | None) -> Iterator[Path]:
    if out is not None:
        yield Path(out)
        return
    with TemporaryDirectory(prefix="kappatune-verify-") as folder:
        yield Path(folder)


@contextmanager
def _progress(on_progress: OnProgress | None) -> Iterator[OnProgress]:
    if on_progress is None and sys.stderr.isatty():
        with crystals_on_stderr() as handler:
            yield handler
    else:
        yield on_progress or ignore
