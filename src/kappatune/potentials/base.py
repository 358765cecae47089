"""Interatomic potentials: by name, or by the import path of a function that makes an ASE calculator."""

from __future__ import annotations

import importlib
import importlib.util
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kappatune.errors import UserError
from kappatune.storage import file_sha256
from kappatune.structures.crystal import element_symbol

if TYPE_CHECKING:
    from ase import Atoms

MAX_ENERGY_PER_ATOM = 1e3
"""eV. Potentials count from atoms or pseudo-atoms: no bond has a hundredth of this."""

MAX_FORCE = 1e3
"""eV/Å. Met only where atoms overlap, or where a potential explodes."""

_ATOMS_PER_BATCH = 32


class BadPotential(UserError):
    """The potential cannot be loaded: unknown, not installed, or its function fails."""


class EvaluationError(UserError):
    """The potential cannot evaluate a crystal, or explodes on it."""


class UnknownElement(EvaluationError):
    """The potential was not made for an element of the crystal."""


class UnphysicalResult(EvaluationError):
    """An energy, a force or a stress that is absurd or no number."""


@dataclass(frozen=True)
class Evaluation:
    """What a potential says of one cell.

    Attributes:
        energy: eV per cell.
        forces: (n_atoms, 3) eV/Å.
        stress: (6,) dE/d(strain) / V in Voigt order xx, yy, zz, yz, xz, xy; eV/Å^3.
    """

    energy: float
    forces: NDArray[np.float64]
    stress: NDArray[np.float64]


class Potential:
    """An ASE calculator with a name, asked about several cells at once.

    Attributes:
        name: What it is called.
        version: Version of its weights or code.
        calculator: The ASE calculator.
        soft_in_shear: Whether its shear moduli are known to be far too low, so that Poisson ratios from them mislead.
        elements: Atomic numbers it was made for; None if it does not say.
        fingerprint: Hash of the file it was made from; empty if its name and version say it all.
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

    def check_elements(self, numbers: NDArray[np.int64]) -> None:
        """Refuse a crystal with an element that the potential was not made for.

        Raises:
            UnknownElement: There is one.
        """
        unknown = sorted(set(numbers.tolist()) - self.elements) if self.elements is not None else []
        if unknown:
            raise UnknownElement(
                f"{self.name} knows no {', '.join(map(element_symbol, unknown))}: take another potential"
            )

    def energies(self, cells: Sequence[Atoms]) -> NDArray[np.float64]:
        """Energies of several cells.

        Returns:
            (n_cells,) eV per cell.

        Raises:
            EvaluationError: The potential fails, or an energy is not finite or absurd.
        """
        energies = _guarded(lambda: self._energies(cells))
        for cell, energy in zip(cells, energies, strict=True):
            _check_energy(float(energy), len(cell))
        return np.array(energies, dtype=np.float64)

    def evaluate(self, cells: Sequence[Atoms]) -> list[Evaluation]:
        """Energies, forces and stresses of several cells.

        Raises:
            EvaluationError: The potential fails, or a number is not finite or absurd.
        """
        evaluations: list[Evaluation] = _guarded(lambda: self._evaluate(cells))
        for cell, evaluation in zip(cells, evaluations, strict=True):
            _check_energy(evaluation.energy, len(cell))
            worst = np.abs(evaluation.forces).max(initial=0.0)
            if not (
                np.isfinite(evaluation.forces).all() and np.isfinite(evaluation.stress).all() and worst < MAX_FORCE
            ):
                raise UnphysicalResult(
                    f"the potential explodes: a force of {worst:.3g} eV/Å, or a stress that is no number"
                )
        return evaluations

    def _energies(self, cells: Sequence[Atoms]) -> list[float]:
        return [float(self._attached(cell).get_potential_energy()) for cell in cells]

    def _evaluate(self, cells: Sequence[Atoms]) -> list[Evaluation]:
        evaluations = []
        for cell in cells:
            atoms = self._attached(cell)
            stress = np.array(atoms.get_stress(apply_constraint=False), dtype=np.float64)  # the others come with it
            forces = np.array(atoms.get_forces(apply_constraint=False), dtype=np.float64)
            evaluations.append(Evaluation(float(atoms.get_potential_energy()), forces, stress))
        return evaluations

    def _attached(self, cell: Atoms) -> Atoms:
        atoms = cell.copy()
        atoms.calc = self.calculator
        return atoms


class CHGNetPotential(Potential):
    """CHGNet, which takes several crystals in one pass.

    Each cell gets its own graph: building one costs a few per cent of the pass through the network.
    """

    def _energies(self, cells: Sequence[Atoms]) -> list[float]:
        import torch

        with torch.no_grad():
            return [float(answer["e"]) * len(cell) for cell, answer in zip(cells, self._ask(cells, "e"), strict=True)]

    def _evaluate(self, cells: Sequence[Atoms]) -> list[Evaluation]:
        from ase.stress import full_3x3_to_voigt_6_stress
        from ase.units import GPa

        return [
            Evaluation(
                energy=float(answer["e"]) * len(cell),
                forces=np.array(answer["f"], dtype=np.float64),
                stress=full_3x3_to_voigt_6_stress(np.array(answer["s"], dtype=np.float64)) * GPa,
            )
            for cell, answer in zip(cells, self._ask(cells, "efs"), strict=True)
        ]

    def _ask(self, cells: Sequence[Atoms], task: str) -> list[dict[str, Any]]:
        from pymatgen.core import Structure

        structures = [Structure(c.cell.array, c.numbers, c.get_scaled_positions(wrap=False)) for c in cells]
        size = max(1, _ATOMS_PER_BATCH // max(len(cell) for cell in cells))
        answers = self.calculator.model.predict_structure(structures, task=task, batch_size=size)
        return [answers] if len(structures) == 1 else answers


class SevenNetPotential(Potential):
    """SevenNet, which takes several crystals in one pass; energies alone need no gradient."""

    def _energies(self, cells: Sequence[Atoms]) -> list[float]:
        import sevenn._keys as keys
        import torch

        energies: list[float] = []
        for graphs in self._batches(cells):
            with torch.no_grad(), self._in_batches() as model:
                graphs = model._preprocess(graphs)
                for name, module in model.named_children():
                    if name != "force_output":
                        graphs = module(graphs)
            energies += graphs[keys.PRED_TOTAL_ENERGY].ravel().tolist()
        return energies

    def _evaluate(self, cells: Sequence[Atoms]) -> list[Evaluation]:
        import sevenn._keys as keys

        evaluations = []
        for graphs in self._batches(cells):
            with self._in_batches() as model:
                answer = model(graphs)
            energies = answer[keys.PRED_TOTAL_ENERGY].ravel().tolist()
            pull = -answer[keys.PRED_STRESS].detach().cpu().double().numpy()[:, [0, 1, 2, 4, 5, 3]]
            forces = answer[keys.PRED_FORCE].detach().cpu().double().numpy()
            shares = np.split(forces, np.cumsum(answer["num_atoms"].tolist())[:-1])
            evaluations += [Evaluation(*one) for one in zip(energies, shares, pull, strict=True)]
        return evaluations

    def _batches(self, cells: Sequence[Atoms]) -> Iterator[Any]:
        from sevenn.atom_graph_data import AtomGraphData
        from sevenn.train.dataload import unlabeled_atoms_to_graph
        from torch_geometric.data import Batch

        size = max(1, _ATOMS_PER_BATCH // max(len(cell) for cell in cells))
        for start in range(0, len(cells), size):
            graphs = []
            for cell in cells[start : start + size]:
                self.calculator.set_atoms(cell)
                graph = unlabeled_atoms_to_graph(cell, self.calculator.cutoff, with_shift=False)
                graphs.append(AtomGraphData.from_numpy_dict(graph))
            yield Batch.from_data_list(graphs).to(self.calculator.device)

    @contextmanager
    def _in_batches(self) -> Iterator[Any]:
        """The network, told that it gets a batch; the calculator, which relaxes, gives it one crystal at a time."""
        self.calculator.model.set_is_batch_data(True)
        try:
            yield self.calculator.model
        finally:
            self.calculator.model.set_is_batch_data(False)


def load_potential(name: str) -> Potential:
    """Load a potential.

    Args:
        name: `chgnet`, `sevennet` (SevenNet-0), `sevennet-l3i5`, `mace` (MACE-MP-0b3) or `nequix` (nequix-mp-1-pft,
            which its package downloads); the path of Nequix weights (`.nqx`, or `.pt` for torch); or `my_module:make`
            or `path/to/file.py:make`, where `make()` returns an ASE calculator.

    Raises:
        BadPotential: The name is unknown, the package is not installed, or the function fails.
    """
    weights = Path(name).expanduser()
    if weights.suffix in _NEQUIX_SUFFIXES and not weights.is_file():
        raise BadPotential(f"{weights}: no such file of Nequix weights")
    if name in _NAMED or weights.suffix in _NEQUIX_SUFFIXES:
        package, make = _NAMED.get(name, ("nequix", lambda: _nequix(weights)))
        if importlib.util.find_spec(package) is None:
            raise BadPotential(
                f"the potential '{name}' needs the package {_DISTRIBUTION[package]}: "
                + ("pip install 'kappatune[mlip]'" if package in _IN_EXTRA else f"pip install {_DISTRIBUTION[package]}")
            )
        try:
            with redirect_stdout(StringIO()), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return make()
        except Exception as error:
            raise BadPotential(f"the potential '{name}' cannot be loaded ({type(error).__name__}: {error})") from error
    if ":" not in name:
        raise BadPotential(
            f"no potential '{name}': known are {', '.join(_NAMED)}, or give PATH:FACTORY, for example 'my_file.py:make'"
        )
    return _from_factory(name)


def _chgnet() -> Potential:
    from chgnet.model.dynamics import CHGNetCalculator

    calculator = CHGNetCalculator(use_device=_device(), on_isolated_atoms="error")
    label = f"{calculator.version} (chgnet {version('chgnet')})"
    return CHGNetPotential("CHGNet", label, calculator, soft_in_shear=True)


def _sevennet(model: str, label: str) -> Potential:
    from sevenn.calculator import SevenNetCalculator

    calculator = SevenNetCalculator(model, device=_device())
    elements = frozenset(int(number) for number in calculator.type_map)
    return SevenNetPotential(label, f"(sevenn {version('sevenn')})", calculator, soft_in_shear=True, elements=elements)


def _mace() -> Potential:
    from mace.calculators import mace_mp

    calculator = mace_mp(model="medium-0b3", device=_device(), default_dtype="float64")
    return Potential("MACE-MP-0b3", f"medium (mace-torch {version('mace-torch')})", calculator)


def _nequix(weights: Path | None = None) -> Potential:
    """Nequix, the model tuned on phonons; from the weights its package downloads, or from a file (.nqx, .pt)."""
    from nequix.calculator import NequixCalculator

    if weights is None:
        calculator, name = NequixCalculator("nequix-mp-1-pft", use_kernel=False), "nequix-mp-1-pft"
    else:
        backend = "torch" if weights.suffix == ".pt" else "jax"
        calculator, name = NequixCalculator(model_path=str(weights), backend=backend, use_kernel=False), weights.stem
    return Potential(
        name,
        f"(nequix {version('nequix')})",
        calculator,
        elements=frozenset(int(number) for number in calculator.config["atomic_numbers"]),
        fingerprint=file_sha256(weights) if weights else "",
    )


_NAMED: dict[str, tuple[str, Callable[[], Potential]]] = {
    "chgnet": ("chgnet", _chgnet),
    "sevennet": ("sevenn", lambda: _sevennet("7net-0", "SevenNet-0")),
    "sevennet-l3i5": ("sevenn", lambda: _sevennet("7net-l3i5", "SevenNet-l3i5")),
    "mace": ("mace", _mace),
    "nequix": ("nequix", _nequix),
}
_DISTRIBUTION = {"chgnet": "chgnet", "sevenn": "sevenn", "mace": "mace-torch", "nequix": "nequix"}
_IN_EXTRA = ("chgnet", "sevenn")
_NEQUIX_SUFFIXES = (".nqx", ".pt")


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _from_factory(name: str) -> Potential:
    where, _, factory = name.rpartition(":")
    try:
        if where.endswith(".py"):
            path = Path(where).expanduser()
            if not path.is_file():
                raise BadPotential(f"{path}: no such file for the potential")
            spec = importlib.util.spec_from_file_location(path.stem, path)
            if spec is None or spec.loader is None:
                raise BadPotential(f"{path}: cannot be imported as Python")
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        else:
            module = importlib.import_module(where)
        calculator = getattr(module, factory)()
    except BadPotential:
        raise
    except Exception as error:
        raise BadPotential(f"the potential '{name}' cannot be made ({type(error).__name__}: {error})") from error
    if not (hasattr(calculator, "calculate") and hasattr(calculator, "get_property")):
        raise BadPotential(f"the potential '{name}': {factory}() returns no ASE calculator")
    fingerprint = file_sha256(Path(where).expanduser()) if where.endswith(".py") else ""
    label = f"({name}{_package_version(where)})"
    return Potential(type(calculator).__name__, label, calculator, fingerprint=fingerprint)


def _package_version(module: str) -> str:
    try:
        return "" if os.sep in module or module.endswith(".py") else f", {version(module.partition('.')[0])}"
    except PackageNotFoundError:
        return ""


def _guarded(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except Exception as error:
        raise EvaluationError(
            f"the potential cannot evaluate this crystal ({type(error).__name__}: {error})"
        ) from error


def _check_energy(energy: float, n_atoms: int) -> None:
    if not np.isfinite(energy) or abs(energy) > MAX_ENERGY_PER_ATOM * n_atoms:
        raise UnphysicalResult(f"the potential explodes: an energy of {energy / n_atoms:.3g} eV per atom")
