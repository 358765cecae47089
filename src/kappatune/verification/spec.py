"""What a process needs in order to verify crystals, and the row of one that kills it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kappatune.model.kappa_model import KappaModel
from kappatune.potentials import BEST, Potential, as_potential, best_available
from kappatune.processes import use_one_thread
from kappatune.progress import OnProgress, ignore
from kappatune.storage import make_folder
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
    model: str | Path | KappaModel | None = "accurate"
    born: Path | None = None
    figures: Path | None = None
    files: Path | None = None

    def load(self) -> Verifier:
        """Load potential and model, and make the folders that results go into.

        Raises:
            NoPhono3py: phono3py is not installed.
            BadPotential: The potential cannot be loaded.
            BadBundle: The model cannot be loaded.
            BadRequest: A folder cannot be written.
        """
        require_phono3py()
        potential = as_potential(self.calculator)
        model = KappaModel.load(self.model) if isinstance(self.model, str | Path) else self.model
        for folder in filter(None, (self.out, self.figures, self.files)):
            make_folder(folder)
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


def use_one_thread_for_phonons() -> None:
    """One thread for torch and, in a process that has not used it yet, for phono3py."""
    os.environ["RAYON_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
    use_one_thread()


def row_of_crash(entry: Crystal | Rejection) -> Verification:
    """The row of a crystal that has killed the process that worked on it."""
    return Verification(
        id=entry.id,
        file=entry.file,
        formula=entry.formula,
        remarks=entry.remarks if isinstance(entry, Crystal) else (),
        outcome="failed",
        reason="the process died while working on this crystal: it may need more memory than this machine has",
    )
