from __future__ import annotations

import doctest
from pathlib import Path

import pytest
import torch
from ase.build import bulk
from ase.calculators.emt import EMT

from kappatune.agl_workflow import AglSettings, agl, batch, iter_agl
from kappatune.potentials import BadPotential
from kappatune.progress import Advanced
from kappatune.settings import BadSettings
from kappatune.structures import Crystal, Rejection
from tests import toy_potentials as toy

TOY = Path(toy.__file__)
SETTINGS = AglSettings(window=0.06, strain=0.002, displacement=0.005)
ENTRIES = [
    Crystal.from_ase(bulk("Cu", "fcc", 3.6), id="Cu"),
    Rejection("bad", "it was broken", "bad.cif"),
    Crystal.from_ase(bulk("Ag", "fcc", 4.1), id="Ag"),
    Crystal.from_ase(bulk("Si", "diamond", 5.43), id="Si"),
    Crystal.from_ase(bulk("Ni", "fcc", 3.5), id="Ni"),
]


@pytest.mark.slow
def test_workers_change_nothing():
    one, two = (
        [row.model_copy(update={"seconds": 0.0}) for row in iter_agl(ENTRIES, f"{TOY}:copper", SETTINGS, workers)]
        for workers in (1, 2)
    )
    assert one == two
    assert [row.id for row in one] == ["Cu", "bad", "Ag", "Si", "Ni"]
    assert [row.kappa_w_mk is None for row in one] == [False, True, False, True, False]
    assert one[1].reason == "it was broken" and one[1].file == "bad.cif"


@pytest.mark.slow
def test_a_crystal_that_kills_its_worker_costs_one_row():
    entries = [ENTRIES[0], Crystal.from_ase(bulk("Au", "fcc", 4.1), id="Au"), ENTRIES[2]]
    rows = list(iter_agl(entries, f"{TOY}:killer", SETTINGS, workers=2))
    assert [row.kappa_w_mk is None for row in rows] == [False, True, False]
    assert "the process died" in rows[1].reason


def test_whatever_a_user_holds_is_answered_in_order():
    found = agl([bulk("Cu"), "no_such_file.cif", Crystal.from_ase(bulk("Si"), id="Si")], EMT(), SETTINGS)
    assert [row.kappa_w_mk is None for row in found] == [False, True, True]
    assert "no such file" in found[1].reason and found[2].id == "Si" and "EMT" in found[2].potential
    assert list(found.to_pandas().formula.isna()) == [False, True, False]
    assert "warnings" not in found._repr_html_() and "19 values" in found._repr_html_()


def test_a_single_structure_and_a_name_do_as_well():
    by_name, by_object = (agl(bulk("Cu"), calculator, SETTINGS) for calculator in (f"{TOY}:copper", EMT()))
    assert len(by_name) == 1 and by_name[0].kappa_w_mk == by_object[0].kappa_w_mk


def test_progress_is_told_after_each_crystal():
    events = []
    agl(ENTRIES[1:3], EMT(), AglSettings(window=0.06, poisson=0.3), on_progress=events.append)
    assert events == [Advanced(1, 2), Advanced(2, 2)]


def test_the_threads_of_the_caller_come_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        agl(ENTRIES[1], EMT())
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("arguments", "error", "reason"),
    [
        ({"calculator": EMT(), "workers": 2}, BadPotential, "several workers need a potential by name"),
        ({"calculator": EMT}, BadPotential, "is not an ASE calculator"),
        ({"calculator": "dream"}, BadPotential, "known are chgnet"),
        ({"calculator": EMT(), "workers": 0}, BadSettings, "workers: 0 is not at least 1"),
    ],
)
def test_what_cannot_run_is_refused_with_its_reason(arguments, error, reason):
    with pytest.raises(error, match=reason):
        agl(bulk("Cu"), **arguments)


def test_the_example_of_the_documentation_holds():
    assert doctest.testmod(batch).failed == 0
