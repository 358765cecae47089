"""Forces of many cells, each on disk before the next is computed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kappatune.potentials import Potential
from kappatune.storage import atomic_path

if TYPE_CHECKING:
    from ase import Atoms

Forces = NDArray[np.float64]


class ForceCache:
    """A folder of forces: one file per cell, named by the hash of the cell.

    Attributes:
        folder: Created if it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def __len__(self) -> int:
        """Number of cells whose forces are on disk."""
        return sum(1 for _ in self.folder.glob("*.npy"))

    def forces(self, cells: Sequence[Atoms | None], potential: Potential, on_cell: Callable[[], None]) -> Forces:
        """Forces of cells with the same number of atoms.

        Args:
            cells: None stands for a cell whose forces are not needed; it gets zeros.
            potential: Computes the forces that are not in the folder.
            on_cell: Called after each cell.

        Returns:
            (n_cells, n_atoms, 3) eV/Å.

        Raises:
            EvaluationError: The potential fails, or a force is unphysical.
        """
        n_atoms = next(len(cell) for cell in cells if cell is not None)
        forces = np.zeros((len(cells), n_atoms, 3))
        for k, cell in enumerate(cells):
            if cell is None:
                continue
            path = self.folder / f"{cell_hash(cell)}.npy"
            of_cell = _load(path, n_atoms)
            if of_cell is None:
                (evaluation,) = potential.evaluate([cell])
                of_cell = evaluation.forces
                with atomic_path(path) as partial, partial.open("wb") as file:
                    np.save(file, of_cell)
            forces[k] = of_cell
            on_cell()
        return forces


def cell_hash(atoms: Atoms) -> str:
    """24 hexadecimal digits that identify lattice, elements and positions, to the last bit."""
    digest = hashlib.sha256(atoms.numbers.astype(np.int64).tobytes())
    digest.update((atoms.cell.array + 0.0).tobytes())
    digest.update((atoms.positions + 0.0).tobytes())
    return digest.hexdigest()[:24]


def _load(path: Path, n_atoms: int) -> Forces | None:
    """Forces on disk, or None if there are none or the file is damaged."""
    try:
        forces = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return forces if forces.shape == (n_atoms, 3) and np.isfinite(forces).all() else None
