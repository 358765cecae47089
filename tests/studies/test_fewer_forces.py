from __future__ import annotations

import pytest

from kappatune.structures import Crystal
from kappatune.verification.standard_cell import standardise
from studies.phonons.fewer_forces import compared, crystals
from tests.verification.small import COPPER, potential


def test_there_are_enough_crystals_of_enough_kinds():
    chosen = crystals()
    assert len(chosen) >= 15 and len({prototype for prototype, _ in chosen.values()}) >= 6
    for name, (_, atoms) in chosen.items():
        cell = standardise(Crystal.from_ase(atoms), 1e-3)
        assert len(cell.primitive) == len(atoms), name


@pytest.mark.slow
def test_both_ways_give_nearly_the_same_kappa(tmp_path):
    record = compared("Cu", "fcc", COPPER, potential(), tmp_path)
    assert record.n_quick <= record.n_reference and record.n_atoms == 32
    *fits, with_cutoff = record.fits
    assert [fit.cutoff for fit in fits] == [None, None] and with_cutoff.cutoff == pytest.approx(2.1 * 2.27, rel=0.02)
    assert fits[0].n_forces == with_cutoff.n_forces < 0.5 * record.n_reference
    for fit in fits:
        assert fit.kappa_w_mk == pytest.approx(record.kappa_reference_w_mk, rel=0.05)
