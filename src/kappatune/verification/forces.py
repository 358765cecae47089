"""Forces of many cells, each batch on disk before the next is computed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kappatune.potentials import Potential
from kappatune.potentials.base import batch_size
from kappatune.storage import atomic_path

if TYPE_CHECKING:
    from ase import Atoms

Forces = NDArray[np.float64]


class ForcesWanted(Exception):
    """More forces are missing than one process is to compute: others can compute them at the same time.

    Attributes:
        folder: Where they belong.
        cells: Cells whose forces are missing, each once.
    """

    def __init__(self, folder: Path, cells: Sequence[Atoms]) -> None:
        super().__init__(folder, cells)
        self.folder, self.cells = folder, cells


@dataclass(frozen=True)
class Helpers:
    """What other processes contribute to the forces of a crystal.

    Attributes:
        most_alone: Missing forces that are computed here; with more, `ForcesWanted` is raised. None computes all.
        computed: Forces by hash of their cell that others have computed.
    """

    most_alone: int | None = None
    computed: Mapping[str, Forces] = field(default_factory=dict)


NO_HELPERS = Helpers()


class ForceCache:
    """A folder of forces: one file per cell, named by the hash of the cell.

    Attributes:
        folder: Created if it does not exist.
        helpers: Other processes that compute forces.
    """

    def __init__(self, folder: Path, helpers: Helpers = NO_HELPERS) -> None:
        self.folder = folder
        self.helpers = helpers
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
            ForcesWanted: So many are missing that they are left to others.
        """
        n_atoms = next(len(cell) for cell in cells if cell is not None)
        names = [None if cell is None else cell_hash(cell) for cell in cells]
        by_name = {name: cell for name, cell in zip(names, cells, strict=True) if name and cell is not None}
        known = {name: forces for name in by_name if (forces := self._known(name, n_atoms)) is not None}
        missing = [name for name in by_name if name not in known]
        if self.helpers.most_alone is not None and len(missing) > self.helpers.most_alone:
            raise ForcesWanted(self.folder, [by_name[name] for name in missing])
        size = batch_size(list(by_name.values()))
        batches = (missing[start : start + size] for start in range(0, len(missing), size))
        forces = np.zeros((len(cells), n_atoms, 3))
        for k, name in enumerate(names):
            if name is None:
                continue
            if name not in known:
                known |= self._computed({name: by_name[name] for name in next(batches)}, potential)
            forces[k] = known[name]
            on_cell()
        return forces

    def _computed(self, cells: Mapping[str, Atoms], potential: Potential) -> dict[str, Forces]:
        """Forces of cells by name, each written to disk."""
        evaluations = potential.evaluate(list(cells.values()))
        found = {name: evaluation.forces for name, evaluation in zip(cells, evaluations, strict=True)}
        for name, forces in found.items():
            with atomic_path(self._path(name)) as partial, partial.open("wb") as file:
                np.save(file, forces)
        return found

    def _known(self, name: str, n_atoms: int) -> Forces | None:
        """Forces that others have computed or that are on disk, or None if there are none or the file is damaged."""
        computed = self.helpers.computed.get(name)
        return _load(self._path(name), n_atoms) if computed is None else computed

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npy"


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
