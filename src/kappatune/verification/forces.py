"""Forces of many cells, each on disk before the next is asked for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kappatune.potentials.base import Potential

if TYPE_CHECKING:
    from ase import Atoms

Forces = NDArray[np.float64]


class ForceStore:
    """A folder of forces, one file per cell, under the hash of the cell.

    Attributes:
        folder: Made if it is not there.
        computed: Cells that the potential was asked about; the others lay in the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.computed = 0
        folder.mkdir(parents=True, exist_ok=True)

    def forces(self, cells: Sequence[Atoms | None], potential: Potential, step: Callable[[], None]) -> Forces:
        """Forces of cells with the same number of atoms.

        Args:
            cells: None stands for a cell whose forces nobody needs: zeros.
            potential: Asked about what the folder does not hold.
            step: Called after each cell.

        Returns:
            (n_cells, n_atoms, 3) eV/Å.

        Raises:
            EvaluationError: The potential fails or explodes.
        """
        n_atoms = next(len(cell) for cell in cells if cell is not None)
        forces = np.zeros((len(cells), n_atoms, 3))
        for k, cell in enumerate(cells):
            if cell is None:
                continue
            path = self.folder / f"{cell_hash(cell)}.npy"
            stored = _read(path, n_atoms)
            if stored is None:
                (response,) = potential.evaluate([cell])
                stored = response.forces
                _write(path, stored)
                self.computed += 1
            forces[k] = stored
            step()
        return forces


def cell_hash(atoms: Atoms) -> str:
    """24 hexadecimal digits of lattice, elements and positions, every bit of them."""
    digest = hashlib.sha256(atoms.numbers.astype(np.int64).tobytes())
    digest.update((atoms.cell.array + 0.0).tobytes())
    digest.update((atoms.positions + 0.0).tobytes())
    return digest.hexdigest()[:24]


def _read(path: Path, n_atoms: int) -> Forces | None:
    """Stored forces, or None if there are none or the file is damaged."""
    try:
        forces = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return forces if forces.shape == (n_atoms, 3) and np.isfinite(forces).all() else None


def _write(path: Path, forces: Forces) -> None:
    partial = path.with_suffix(f".{os.getpid()}.partial")
    with partial.open("wb") as file:
        np.save(file, forces)
    os.replace(partial, path)
