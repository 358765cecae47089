"""SevenNet: Park et al., J. Chem. Theory Comput. 20, 4857 (2024). The weights of its models come with its package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from kappatune.potentials.base import Evaluation, Potential, batch_size, torch_device

if TYPE_CHECKING:
    from ase import Atoms


def load(model: str, name: str) -> Potential:
    """A model of the package.

    Args:
        model: Keyword of the package, for example `7net-0`.
        name: What the model is called here.
    """
    from sevenn.calculator import SevenNetCalculator

    from kappatune.potentials.sevennet_messages import compute_messages_in_parts

    calculator = SevenNetCalculator(model, device=torch_device())
    compute_messages_in_parts(calculator.model)
    elements = frozenset(int(number) for number in calculator.type_map)
    return SevenNetPotential(name, f"(sevenn {version('sevenn')})", calculator, soft_in_shear=True, elements=elements)


class SevenNetPotential(Potential):
    """SevenNet, which evaluates several cells in one pass; energies alone need no gradient."""

    def _energies(self, cells: Sequence[Atoms]) -> list[float]:
        import sevenn._keys as keys
        import torch

        energies: list[float] = []
        for graphs in self._batches(cells):
            with torch.no_grad(), self._batch_mode() as model:
                graphs = model._preprocess(graphs)  # noqa: SLF001 - there is no public way without forces
                for name, module in model.named_children():
                    if name != "force_output":
                        graphs = module(graphs)
            energies += graphs[keys.PRED_TOTAL_ENERGY].ravel().tolist()
        return energies

    def _evaluate(self, cells: Sequence[Atoms]) -> list[Evaluation]:
        import sevenn._keys as keys

        evaluations = []
        for graphs in self._batches(cells):
            with self._batch_mode() as model:
                output = model(graphs)
            energies = output[keys.PRED_TOTAL_ENERGY].ravel().tolist()
            stresses = -output[keys.PRED_STRESS].detach().cpu().double().numpy()[:, [0, 1, 2, 4, 5, 3]]
            forces = output[keys.PRED_FORCE].detach().cpu().double().numpy()
            forces_by_cell = np.split(forces, np.cumsum(output["num_atoms"].tolist())[:-1])
            evaluations += [Evaluation(*one) for one in zip(energies, forces_by_cell, stresses, strict=True)]
        return evaluations

    def _batches(self, cells: Sequence[Atoms]) -> Iterator[Any]:
        from sevenn.atom_graph_data import AtomGraphData
        from sevenn.train.dataload import unlabeled_atoms_to_graph
        from torch_geometric.data import Batch

        size = batch_size(cells)
        for start in range(0, len(cells), size):
            graphs = []
            for cell in cells[start : start + size]:
                self.calculator.set_atoms(cell)
                graph = unlabeled_atoms_to_graph(cell, self.calculator.cutoff, with_shift=False)
                graphs.append(AtomGraphData.from_numpy_dict(graph))
            yield Batch.from_data_list(graphs).to(self.calculator.device)

    @contextmanager
    def _batch_mode(self) -> Iterator[Any]:
        """The network set to take a batch; the calculator, which relaxes crystals, passes one crystal at a time."""
        self.calculator.model.set_is_batch_data(True)
        try:
            yield self.calculator.model
        finally:
            self.calculator.model.set_is_batch_data(False)
