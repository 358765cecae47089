from __future__ import annotations

import sys

import numpy as np
import pytest
from ase.build import bulk

from kappatune.structures import Crystal
from kappatune.verification import VerifySettings, estimate_cost, snapshots
from kappatune.verification.events import CostEstimated
from kappatune.verification.force_constants import set_second_order, set_third_order
from kappatune.verification.forces import ForceCache
from kappatune.verification.prepare import prepare
from kappatune.verification.snapshots import MAX_PARAMETERS, fit_third_order, n_parameters
from kappatune.verification.standard_cell import standardise
from tests.verification.small import ALLOY, COPPER, SETTINGS, TOY, potential, verifier

FEWEST = SETTINGS.replace(third_order="fewest forces")
ALL_PAIRS = SETTINGS.replace(pair_cutoff=20.0)


def prepared_for(crystal: Crystal, settings: VerifySettings):
    return prepare(standardise(crystal, settings.symprec), settings)


def third_order(crystal: Crystal, settings: VerifySettings, folder):
    """Third-order force constants, and those of second order before and after."""
    prepared, cache = prepared_for(crystal, settings), ForceCache(folder)
    phonons = prepared.phono3py
    set_second_order(phonons, cache.forces(prepared.single_cells, potential(), lambda: None))
    before = phonons.fc2.copy()
    forces = cache.forces(prepared.displaced_cells, potential(), lambda: None)
    (fit_third_order if prepared.third_order == "snapshots" else set_third_order)(phonons, forces)
    return phonons.fc3, before, phonons.fc2


@pytest.mark.parametrize("crystal", [COPPER, ALLOY], ids=["Cu", "Cu3Au"])
def test_fitted_third_order_is_that_of_all_pairs(crystal, tmp_path):
    fitted, before, after = third_order(crystal, FEWEST, tmp_path)
    displaced, _, _ = third_order(crystal, ALL_PAIRS, tmp_path)
    largest = np.abs(displaced).max()
    assert fitted.shape == displaced.shape
    np.testing.assert_allclose(fitted, displaced, atol=0.02 * largest)
    assert np.abs(fitted.sum(axis=1)).max() < 1e-6 * largest
    np.testing.assert_array_equal(before, after)


def test_half_as_many_snapshots_do_without_partners(tmp_path, monkeypatch):
    with_partners = prepared_for(ALLOY, FEWEST)
    displaced, _, _ = third_order(ALLOY, ALL_PAIRS, tmp_path)
    monkeypatch.setattr(snapshots, "MOST_WITH_PARTNERS", 0)
    alone = prepared_for(ALLOY, FEWEST)
    assert len(alone.displaced_cells) < 0.7 * len(with_partners.displaced_cells)
    lengths = np.linalg.norm(alone.phono3py.displacements, axis=-1)
    np.testing.assert_allclose(lengths, FEWEST.displacement / 3, rtol=1e-6)
    fitted, before, after = third_order(ALLOY, FEWEST, tmp_path)
    np.testing.assert_allclose(fitted, displaced, atol=0.02 * np.abs(displaced).max())
    np.testing.assert_array_equal(before, after)


def test_phono3py_fits_the_same_with_a_second_order_of_its_own(tmp_path):
    prepared = prepared_for(ALLOY, FEWEST)
    phonons = prepared.phono3py
    set_second_order(phonons, ForceCache(tmp_path).forces(prepared.single_cells, potential(), lambda: None))
    fit_third_order(phonons, ForceCache(tmp_path).forces(prepared.displaced_cells, potential(), lambda: None))
    ours = phonons.fc3
    phonons.produce_fc3(fc_calculator="symfc")
    np.testing.assert_allclose(ours, phonons.fc3, atol=1e-6 * np.abs(ours).max())


def test_snapshots_are_chosen_where_they_take_half_of_the_forces_or_fewer():
    for crystal in (COPPER, ALLOY):
        pairs, chosen = prepared_for(crystal, SETTINGS), prepared_for(crystal, FEWEST)
        assert (pairs.third_order, chosen.third_order) == ("pairs", "snapshots")
        assert chosen.n_forces <= 0.5 * pairs.n_forces == 0.5 * chosen.n_forces_of_pairs
        assert chosen.pair_cutoff is None and None not in chosen.displaced_cells
        n_equations = 3 * len(chosen.phono3py.supercell) * (len(chosen.displaced_cells) - 1) / 2
        assert n_equations > 1.1 * n_parameters(chosen.phono3py)


def test_displaced_pairs_stay_where_they_are_few_or_the_parameters_too_many():
    quick = VerifySettings.of("quick", third_order="fewest forces")
    silicon = prepared_for(Crystal.from_ase(bulk("Si", "diamond", 5.43)), quick)
    assert silicon.third_order == "pairs" and silicon.n_forces == silicon.n_forces_of_pairs < 20
    tiny = prepared_for(COPPER, FEWEST.replace(max_atoms=8))
    assert tiny.third_order == "pairs" and len(tiny.phono3py.supercell) < 24
    standard = VerifySettings.of("standard", max_atoms=130, third_order="fewest forces")
    wurtzite = prepared_for(Crystal.from_ase(bulk("ZnO", "wurtzite", a=3.25, c=5.21, u=0.382)), standard)
    assert n_parameters(wurtzite.phono3py) > MAX_PARAMETERS
    assert wurtzite.third_order == "pairs" and wurtzite.n_forces > 200 and wurtzite.pair_cutoff > 3.0


def test_the_row_and_the_estimate_say_which_way_was_used(tmp_path):
    events = []
    row = verifier(tmp_path, FEWEST).verify(ALLOY, events.append)
    pairs = verifier(tmp_path, ALL_PAIRS).verify(ALLOY)
    assert (row.third_order, pairs.third_order) == ("snapshots", "pairs")
    assert row.kappa_bte_w_mk == pytest.approx(pairs.kappa_bte_w_mk, rel=0.03)
    assert row.gruneisen == pytest.approx(pairs.gruneisen, rel=0.03)
    assert row.settings["third_order"] == "fewest forces" and "third_order" not in pairs.settings
    (cost,) = (event.cost for event in events if isinstance(event, CostEstimated))
    assert cost.n_forces == row.n_forces and cost.instead_of_pairs > 2 * cost.n_forces
    (estimate,) = estimate_cost(ALLOY, f"{TOY}:copper", settings=FEWEST)
    assert estimate.instead_of_pairs == cost.instead_of_pairs
    assert f"{cost.n_forces} force calculations (snapshots, in place of {cost.instead_of_pairs} for pairs)" in str(
        estimate
    )


def test_an_interrupted_run_finds_its_snapshots(tmp_path):
    row = verifier(tmp_path, FEWEST).verify(COPPER)
    (folder,) = tmp_path.iterdir()
    forces = sorted(folder.glob("forces/*.npy"))
    assert len(forces) == row.n_forces
    for file in (*folder.glob("answer-*.json"), *forces[::2]):
        file.unlink()
    kept = {path: path.stat().st_mtime_ns for path in forces[1::2]}
    again = verifier(tmp_path, FEWEST).verify(COPPER)
    np.testing.assert_allclose(again.kappa_tensor_w_mk, row.kappa_tensor_w_mk, rtol=1e-9, atol=1e-9)
    assert sorted(folder.glob("forces/*.npy")) == forces
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_the_recursion_limit_stays(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "symfc"]:
        monkeypatch.delitem(sys.modules, name)
    limit = sys.getrecursionlimit()
    third_order(COPPER, FEWEST, tmp_path)
    assert "symfc" in sys.modules
    assert sys.getrecursionlimit() == limit
