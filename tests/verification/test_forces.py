from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from kappatune.potentials import base
from kappatune.potentials.base import EvaluationError
from kappatune.verification.forces import ForceCache
from tests.verification.small import potential

CELLS = [bulk("Cu", "fcc", length, cubic=True) for length in (3.5, 3.6, 3.7, 3.8, 3.9)]
for cell in CELLS:
    cell.positions[0] += 0.05


class Counting:
    """A potential that remembers how many cells it was given at a time, and fails after some."""

    def __init__(self, fails_after: int = 10) -> None:
        self.potential, self.sizes, self.fails_after = potential(), [], fails_after

    def evaluate(self, cells):
        if len(self.sizes) == self.fails_after:
            raise EvaluationError("made to fail")
        self.sizes.append(len(cells))
        return self.potential.evaluate(cells)


@pytest.mark.parametrize(("atoms_per_batch", "sizes"), [(4, [1] * 5), (8, [2, 2, 1]), (512, [5])])
def test_batches_give_the_forces_of_single_cells(monkeypatch, tmp_path, atoms_per_batch, sizes):
    monkeypatch.setitem(base.ATOMS_PER_BATCH, base.torch_device(), atoms_per_batch)
    counting, counted = Counting(), []
    given = [CELLS[0], None, *CELLS[1:], CELLS[0]]
    forces = ForceCache(tmp_path).forces(given, counting, lambda: counted.append(1))
    assert counting.sizes == sizes
    assert len(counted) == len(given) - 1
    assert not forces[1].any()
    alone = [potential().evaluate([cell])[0].forces for cell in given if cell is not None]
    np.testing.assert_allclose(forces[[0, 2, 3, 4, 5, 6]], alone, atol=1e-12)


def test_a_run_that_fails_keeps_its_finished_batches(monkeypatch, tmp_path):
    monkeypatch.setitem(base.ATOMS_PER_BATCH, base.torch_device(), 8)
    with pytest.raises(EvaluationError):
        ForceCache(tmp_path).forces(CELLS, Counting(fails_after=1), lambda: None)
    assert len(ForceCache(tmp_path)) == 2
    second = Counting()
    ForceCache(tmp_path).forces(CELLS, second, lambda: None)
    assert second.sizes == [2, 1]
