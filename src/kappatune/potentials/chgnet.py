"""CHGNet: Deng et al., Nat. Mach. Intell. 5, 1031 (2023). Its weights come with its package."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from kappatune.potentials.base import Evaluation, Potential, batch_size, torch_device

if TYPE_CHECKING:
    from ase import Atoms


def load() -> Potential:
    """The weights that the package calls its default."""
    from chgnet.model.dynamics import CHGNetCalculator

    calculator = CHGNetCalculator(use_device=torch_device(), on_isolated_atoms="error")
    label = f"{calculator.version} (chgnet {version('chgnet')})"
    return CHGNetPotential("CHGNet", label, calculator, soft_in_shear=True)


class CHGNetPotential(Potential):
    """CHGNet, which evaluates several cells in one pass.

    Each cell gets its own graph: building one costs a few per cent of the pass through the network.
    """

    def _energies(self, cells: Sequence[Atoms]) -> list[float]:
        import torch

        with torch.no_grad():
            return [
                float(prediction["e"]) * len(cell)
                for cell, prediction in zip(cells, self._predict(cells, "e"), strict=True)
            ]

    def _evaluate(self, cells: Sequence[Atoms]) -> list[Evaluation]:
        from ase.stress import full_3x3_to_voigt_6_stress
        from ase.units import GPa

        return [
            Evaluation(
                energy=float(prediction["e"]) * len(cell),
                forces=np.array(prediction["f"], dtype=np.float64),
                stress=full_3x3_to_voigt_6_stress(np.array(prediction["s"], dtype=np.float64)) * GPa,
            )
            for cell, prediction in zip(cells, self._predict(cells, "efs"), strict=True)
        ]

    def _predict(self, cells: Sequence[Atoms], task: str) -> list[dict[str, Any]]:
        """Predictions as CHGNet gives them: energies in eV per atom, forces in eV/Å, stresses in GPa."""
        from pymatgen.core import Structure

        structures = [Structure(c.cell.array, c.numbers, c.get_scaled_positions(wrap=False)) for c in cells]
        predictions = self.calculator.model.predict_structure(structures, task=task, batch_size=batch_size(cells))
        return [predictions] if len(structures) == 1 else list(predictions)
