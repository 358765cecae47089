"""What a potential is: energies, forces and stresses of several cells at once, checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from kappatune.errors import UserError
from kappatune.structures.crystal import element_symbol

if TYPE_CHECKING:
    from ase import Atoms

MAX_ENERGY_PER_ATOM = 1e3
"""eV. Potentials count from atoms or pseudo-atoms: no bond has a hundredth of this."""

MAX_FORCE = 1e3
"""eV/Å. Reached only where atoms overlap, or where a potential fails."""

ATOMS_PER_BATCH = {"cpu": 32, "cuda": 512}
"""Atoms that a potential with batches evaluates in one pass: on a CPU more gain nothing and need memory."""

Result = TypeVar("Result")


class BadPotential(UserError):
    """The potential cannot be loaded: it is unknown or not installed, or its function fails."""


class EvaluationError(UserError):
    """The potential cannot evaluate a crystal, or gives unphysical numbers."""


class UnknownElement(EvaluationError):
    """The potential was not made for an element of the crystal."""


class UnphysicalResult(EvaluationError):
    """An energy, a force or a stress is absurdly large or not a finite number."""


@dataclass(frozen=True)
class Evaluation:
    """Energy, forces and stress of one cell.

    Attributes:
        energy: eV per cell.
        forces: (n_atoms, 3) eV/Å.
        stress: (6,) dE/d(strain) / V in Voigt order xx, yy, zz, yz, xz, xy; eV/Å^3.
    """

    energy: float
    forces: NDArray[np.float64]
    stress: NDArray[np.float64]


class Potential:
    """An ASE calculator with a name, which evaluates several cells at once.

    A subclass for a package that evaluates several cells in one pass overrides `_energies` and `_evaluate`.

    Attributes:
        name: What it is called.
        version: Version of its weights or code.
        calculator: The ASE calculator.
        soft_in_shear: Whether its shear moduli are known to be too low, so that Poisson ratios from them mislead.
        elements: Atomic numbers it was made for; None if that is not known.
        fingerprint: Hash of the file it was made from, or a unique string for an object; empty if name and version
            identify it.
    """

    def __init__(
        self,
        name: str,
        version: str,
        calculator: Any,
        soft_in_shear: bool = False,
        elements: frozenset[int] | None = None,
        fingerprint: str = "",
    ) -> None:
        self.name = name
        self.version = version
        self.calculator = calculator
        self.soft_in_shear = soft_in_shear
        self.elements = elements
        self.fingerprint = fingerprint

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"

    def check_elements(self, numbers: NDArray[np.int64]) -> None:
        """Refuse a crystal with an element that the potential was not made for.

        Args:
            numbers: (n_atoms,) atomic numbers.

        Raises:
            UnknownElement: There is one.
        """
        unknown = sorted(set(numbers.tolist()) - self.elements) if self.elements is not None else []
        if unknown:
            raise UnknownElement(
                f"{self.name} does not know {', '.join(map(element_symbol, unknown))}: choose another potential"
            )

    def energies(self, cells: Sequence[Atoms]) -> NDArray[np.float64]:
        """Energies of several cells.

        Returns:
            (n_cells,) eV per cell.

        Raises:
            EvaluationError: The potential fails, or an energy is absurd or not finite.
        """
        energies = _translate_errors(lambda: self._energies(cells))
        for cell, energy in zip(cells, energies, strict=True):
            _check_energy(float(energy), len(cell))
        return np.array(energies, dtype=np.float64)

    def evaluate(self, cells: Sequence[Atoms]) -> list[Evaluation]:
        """Energies, forces and stresses of several cells.

        Raises:
            EvaluationError: The potential fails, or a number is absurd or not finite.
        """
        evaluations = _translate_errors(lambda: self._evaluate(cells))
        for cell, evaluation in zip(cells, evaluations, strict=True):
            _check_energy(evaluation.energy, len(cell))
            largest = np.abs(evaluation.forces).max(initial=0.0)
            finite = np.isfinite(evaluation.forces).all() and np.isfinite(evaluation.stress).all()
            if not (finite and largest < MAX_FORCE):
                raise UnphysicalResult(
                    f"the potential explodes: a force of {largest:.3g} eV/Å, or a stress that is not a finite number"
                )
        return evaluations

    def _energies(self, cells: Sequence[Atoms]) -> list[float]:
        return [float(self._with_calculator(cell).get_potential_energy()) for cell in cells]

    def _evaluate(self, cells: Sequence[Atoms]) -> list[Evaluation]:
        evaluations = []
        for cell in cells:
            atoms = self._with_calculator(cell)
            stress = np.array(atoms.get_stress(apply_constraint=False), dtype=np.float64)  # the others come with it
            forces = np.array(atoms.get_forces(apply_constraint=False), dtype=np.float64)
            evaluations.append(Evaluation(float(atoms.get_potential_energy()), forces, stress))
        return evaluations

    def _with_calculator(self, cell: Atoms) -> Atoms:
        atoms = cell.copy()
        atoms.calc = self.calculator
        return atoms


def batch_size(cells: Sequence[Atoms]) -> int:
    """How many of the cells a potential evaluates in one pass."""
    return max(1, ATOMS_PER_BATCH[torch_device()] // max(len(cell) for cell in cells))


def torch_device() -> str:
    """The device that potentials made with torch run on: `cuda` if there is one, else `cpu`."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _translate_errors(evaluate: Callable[[], Result]) -> Result:
    try:
        return evaluate()
    except Exception as error:
        raise EvaluationError(
            f"the potential cannot evaluate this crystal ({type(error).__name__}: {error})"
        ) from error


def _check_energy(energy: float, n_atoms: int) -> None:
    if not np.isfinite(energy) or abs(energy) > MAX_ENERGY_PER_ATOM * n_atoms:
        raise UnphysicalResult(f"the potential explodes: an energy of {energy / n_atoms:.3g} eV per atom")
