"""Nequix: Koker et al., arXiv:2508.16067 (2025). Its `nequix-mp-1-pft` was fine-tuned on phonons (arXiv:2601.07742).

The network is our own (`nequix_network`); no weights come with kappatune. `kappatune data fetch nequix` downloads them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from numpy.typing import NDArray
from pydantic import ValidationError

from kappatune.potentials.base import BadPotential, Evaluation, Potential, batch_size, torch_device
from kappatune.storage import file_sha256

if TYPE_CHECKING:
    from ase import Atoms

    from kappatune.potentials.nequix_network import Neighbours, NequixNetwork

DEFAULT_MODEL = "nequix-mp-1-pft"
PUBLISHED = {
    "nequix-mp-1-pft": "a88aeaed71fd447572dc57af21d469207d7737b85a6dbb66f8c38156f175c5f1",
    "nequix-oam-1-pft": "4ce693d68886512aab50c84ea2400efd68163e11155f7c7babe98e695177e809",
}
"""SHA-256 of the weights that its authors fine-tuned on phonons, by name. Others do not get such a name, to which
calibrations belong."""

WEIGHTS_SUFFIX = ".nqx"

_LONGEST_HEAD = 1_000_000
_NO_DISTANCE = 1e-8


def weights_path(model: str = DEFAULT_MODEL) -> Path:
    """Where `kappatune data fetch nequix` puts the weights of a model: below `KAPPATUNE_CACHE`, or the user's cache."""
    cache = os.environ.get("KAPPATUNE_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "kappatune"
    return Path(cache).expanduser() / f"{model}{WEIGHTS_SUFFIX}"


def load(weights: Path | None = None) -> Potential:
    """The model `nequix-mp-1-pft`, or another from a file.

    Args:
        weights: A file of weights (`.nqx`) as its authors publish them; None for the downloaded ones.

    Raises:
        BadPotential: The file is not there or not intact.
    """
    path = weights or weights_path()
    if weights is None and not path.is_file():
        raise BadPotential(
            f"the weights of {DEFAULT_MODEL} are not on this machine: `kappatune data fetch nequix` downloads them "
            "(3 MB, CC BY 4.0); or give the path of a .nqx file instead of the name"
        )
    calculator, fingerprint = NequixCalculator(read_weights(path)), file_sha256(path)
    for name, known in PUBLISHED.items():
        if fingerprint == known:
            return NequixPotential(name, "(weights by its authors)", calculator, fingerprint)
    name = f"{path.stem} with other weights" if path.stem in PUBLISHED else path.stem
    return NequixPotential(name, "(Nequix)", calculator, fingerprint)


def read_weights(path: Path) -> NequixNetwork:
    """Read a weights file: a line of JSON, then the arrays one after the other. No pickle is read.

    Raises:
        BadPotential: It is not such a file, an array is missing, unexpected, of another shape or not finite, or
            something follows the last one.
    """
    import torch

    from kappatune.potentials.nequix_network import NequixNetwork, NequixSettings

    if path.suffix != WEIGHTS_SUFFIX:
        raise BadPotential(f"{path}: weights of Nequix end in .nqx; a .pt file is a pickle, which is not read")
    with path.open("rb") as file:
        try:
            network = NequixNetwork(NequixSettings.model_validate_json(file.readline(_LONGEST_HEAD)))
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(map(str, fault["loc"])) or "the first line"
            raise BadPotential(f"{path}: not a weights file of Nequix: {where}: {fault['msg']}") from error
        for index, parameter in enumerate(network.parameters_in_file_order()):
            try:
                array = np.lib.format.read_array(file, allow_pickle=False)
            except (ValueError, EOFError) as error:
                raise BadPotential(f"{path}: array {index + 1} cannot be read ({error}): download it again") from error
            if array.shape != tuple(parameter.shape) or array.dtype != np.float32:
                raise BadPotential(
                    f"{path}: array {index + 1} has shape {array.shape} of {array.dtype}, "
                    f"not {tuple(parameter.shape)} of float32"
                )
            if not np.isfinite(array).all():
                raise BadPotential(f"{path}: array {index + 1} holds values that are not finite")
            parameter.data = torch.from_numpy(array)
        if file.read(1):
            raise BadPotential(f"{path}: there is data after the last array")
    return network.eval()


class NequixCalculator(Calculator):
    """An ASE calculator, for relaxations.

    Args:
        network: With its weights.
    """

    implemented_properties = ("energy", "free_energy", "forces", "stress")

    def __init__(self, network: NequixNetwork) -> None:
        super().__init__()
        self.network = network.to(torch_device())
        self.index = {number: k for k, number in enumerate(network.settings.atomic_numbers)}

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Called by ASE."""
        super().calculate(atoms, properties, system_changes)
        (found,) = self.evaluate([self.atoms])
        energies = {"energy": found.energy, "free_energy": found.energy}
        self.results = {**energies, "forces": found.forces, "stress": found.stress}

    def energies(self, cells: Sequence[Atoms]) -> list[float]:
        """Energies of several cells in one pass, eV per cell."""
        import torch

        bonds = _NeighbourList.of(cells, self.network.settings.cutoff)
        with torch.inference_mode():
            of_atoms = self.network(self._tensors(cells, bonds)).double()
        return [float(part.sum()) for part in of_atoms.split([len(cell) for cell in cells])]

    def evaluate(self, cells: Sequence[Atoms]) -> list[Evaluation]:
        """Energies, forces and stresses of several cells in one pass."""
        import torch

        bonds = _NeighbourList.of(cells, self.network.settings.cutoff)
        atoms = self._tensors(cells, bonds)
        atoms.vector.requires_grad_()
        of_atoms = self.network(atoms).double()
        (slope,) = torch.autograd.grad(of_atoms.sum(), atoms.vector)
        gradient = slope.cpu().double().numpy()[bonds.atom, bonds.place]
        forces = np.zeros((len(of_atoms), 3))
        np.add.at(forces, bonds.atom, gradient)
        np.add.at(forces, bonds.neighbour, -gradient)
        energies = of_atoms.detach().cpu().numpy()
        starts = [0, *accumulate(len(cell) for cell in cells)]
        found = []
        for cell, first, last in zip(cells, starts, starts[1:], strict=False):
            own = slice(*np.searchsorted(bonds.atom, [first, last]))
            virial = bonds.vector[own].T @ gradient[own] / cell.get_volume()
            stress = ((virial + virial.T) / 2)[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
            found.append(Evaluation(float(energies[first:last].sum()), forces[first:last], stress))
        return found

    def _tensors(self, cells: Sequence[Atoms], bonds: _NeighbourList) -> Neighbours:
        import torch

        from kappatune.potentials.nequix_network import Neighbours

        species = [self.index[number] for cell in cells for number in cell.numbers.tolist()]
        shape = (len(species), int(bonds.place.max(initial=0)) + 1)
        neighbour = np.zeros(shape, dtype=np.int64)
        neighbour[bonds.atom, bonds.place] = bonds.neighbour
        vector = np.zeros((*shape, 3), dtype=np.float32)
        vector[..., 0] = 2 * self.network.settings.cutoff
        vector[bonds.atom, bonds.place] = bonds.vector
        device = torch_device()
        return Neighbours(
            torch.tensor(species, device=device),
            torch.from_numpy(neighbour).to(device),
            torch.from_numpy(vector).to(device),
        )


class NequixPotential(Potential):
    """Nequix, which evaluates several cells in one pass; energies alone need no gradient."""

    def __init__(self, name: str, label: str, calculator: NequixCalculator, fingerprint: str) -> None:
        super().__init__(
            name,
            label,
            calculator,
            soft_in_shear=True,
            elements=frozenset(calculator.index),
            fingerprint=fingerprint,
        )

    def _energies(self, cells: Sequence[Atoms]) -> list[float]:
        return [energy for part in _parts(cells) for energy in self.calculator.energies(part)]

    def _evaluate(self, cells: Sequence[Atoms]) -> list[Evaluation]:
        return [found for part in _parts(cells) for found in self.calculator.evaluate(part)]


class _NeighbourList(NamedTuple):
    """All bonds of several cells, in the order of the atoms.

    Attributes:
        atom: (n_bonds,) index over the atoms of all cells.
        neighbour: (n_bonds,) the same of the other end.
        place: (n_bonds,) number of the bond among those of its atom.
        vector: (n_bonds, 3) from the atom to the neighbour, Å.
    """

    atom: NDArray[np.int64]
    neighbour: NDArray[np.int64]
    place: NDArray[np.int64]
    vector: NDArray[np.float64]

    @classmethod
    def of(cls, cells: Sequence[Atoms], cutoff: float) -> _NeighbourList:
        starts = [0, *accumulate(len(cell) for cell in cells)]
        found = [_bonds_of(cell, cutoff) for cell in cells]
        atom = np.concatenate([first + i for first, (i, _, _) in zip(starts, found, strict=False)])
        neighbour = np.concatenate([first + j for first, (_, j, _) in zip(starts, found, strict=False)])
        counts = np.bincount(atom, minlength=starts[-1])
        place = np.arange(len(atom)) - (np.cumsum(counts) - counts)[atom]
        return cls(atom, neighbour, place, np.concatenate([vector for _, _, vector in found]))


def _bonds_of(cell: Atoms, cutoff: float) -> tuple[Any, Any, Any]:
    from pymatgen.optimization.neighbors import find_points_in_spheres

    positions = np.ascontiguousarray(cell.positions, dtype=np.float64)
    lattice = np.ascontiguousarray(cell.cell.array, dtype=np.float64)
    i, j, image, distance = find_points_in_spheres(
        positions, positions, r=cutoff, pbc=np.ones(3, dtype=np.int64), lattice=lattice, tol=_NO_DISTANCE
    )
    bond = np.flatnonzero(distance > _NO_DISTANCE)
    bond = bond[np.argsort(i[bond], kind="stable")]
    i, j = i[bond], j[bond]
    return i, j, positions[j] + image[bond] @ lattice - positions[i]


def _parts(cells: Sequence[Atoms]) -> list[Sequence[Atoms]]:
    size = batch_size(cells)
    return [cells[start : start + size] for start in range(0, len(cells), size)]
