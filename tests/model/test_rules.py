"""Smooth rules: no number of a model jumps when atoms move a little, or when a bond passes the cutoff."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kappatune.model.graphs import build_graphs
from kappatune.model.hosts import load_host
from kappatune.model.rules import GraphRules
from kappatune.structures import Crystal
from kappatune.structures.table import LabelledCrystal, LabelledTable
from kappatune.training import train
from kappatune.training.recipe import Recipe, Stage
from tests.builders import rocksalt, supercell, zincblende

SMOOTH = GraphRules(primitive_cell="smooth", bond_envelope="smooth")
HOST = "megnet-mp-2018.6.1-log10K"


def embeddings(crystals, rules):
    host = load_host(HOST)
    with torch.no_grad():
        return host.embed(build_graphs(crystals, host.cutoff_angstrom, rules).batch()).numpy()


def largest_jump(crystals, rules):
    return float(np.abs(np.diff(embeddings(crystals, rules), axis=0)).max())


def sizes(start: float, stop: float, n: int = 41) -> list[Crystal]:
    return [rocksalt(11, 17, a) for a in np.linspace(start, stop, n)]


def test_a_shell_of_neighbours_passes_the_cutoff_without_a_step():
    cutoff = load_host(HOST).cutoff_angstrom
    shell = sizes(0.998 * cutoff * 2**0.5, 1.002 * cutoff * 2**0.5)  # twelve neighbours at a / sqrt(2)
    assert largest_jump(shell, GraphRules()) > 0.1
    assert largest_jump(shell, SMOOTH) < 0.01


def test_the_last_bond_passes_the_cutoff_without_a_step():
    cutoff = load_host(HOST).cutoff_angstrom
    lengths = np.linspace(cutoff - 0.2, cutoff + 0.02, 1101)
    apart = [Crystal(np.eye(3) * a, np.array([18]), np.zeros((1, 3))) for a in lengths]
    assert np.isfinite(embeddings(apart, SMOOTH)).all()
    assert largest_jump(apart, SMOOTH) < 0.1 * largest_jump(apart, GraphRules())


def test_supercells_and_order_play_no_part():
    for crystal in (rocksalt(12, 8, 4.212), zincblende(14, 14, 5.431)):
        other = supercell(crystal, (2, 1, 3))
        order = np.random.default_rng(0).permutation(other.n_atoms)
        shuffled = Crystal(other.lattice, other.numbers[order], other.frac_coords[order] + 0.3)
        first, second = embeddings([crystal, shuffled], SMOOTH)
        assert first == pytest.approx(second, abs=1e-5)
        assert build_graphs([shuffled], 4.0, SMOOTH).n_primitive == pytest.approx([2.0])


def test_moved_atoms_keep_the_primitive_cell():
    perfect = supercell(rocksalt(11, 17, 5.64), (3, 3, 3))
    direction = np.random.default_rng(0).normal(size=(54, 3))
    direction *= 0.05 / np.linalg.norm(direction, axis=1)[:, None]
    moved = Crystal(perfect.lattice, perfect.numbers, perfect.frac_coords + direction @ np.linalg.inv(perfect.lattice))
    assert build_graphs([moved], 4.0, SMOOTH).n_primitive == pytest.approx([2.0], rel=0.01)
    assert build_graphs([moved], 4.0).n_primitive == pytest.approx([54.0])


def test_a_recipe_names_the_rules_of_a_new_model():
    stage = Stage(name="dft", fidelity="dft", epochs=1, validation=None)
    recipe = Recipe(
        name="smooth", host=("element-statistics", "bond-geometry"), head=(8,), rules=SMOOTH, stages=(stage,)
    )
    pairs = [(rocksalt(metal, 8, 4.2 + 0.1 * k), 5.0 + k) for k, metal in enumerate([12, 20, 25, 26, 27, 28, 38])]
    tables = [rows_of(pairs)]
    model = train(recipe, lambda _: tables, on_progress=lambda event: None)
    assert model.card.rules == SMOOTH
    assert model.build_graphs([rocksalt(12, 8, 4.2)]).batch().bonds_fall
    assert np.isfinite([row.kappa_w_mk for row in model.predict([rocksalt(12, 8, 4.2), zincblende(14, 14, 5.4)])]).all()


def rows_of(pairs):
    rows = [LabelledCrystal(crystal, kappa, "dft", "invented") for crystal, kappa in pairs]
    return LabelledTable("invented", rows, [], "")


def test_rules_come_from_the_model_that_a_recipe_starts_from():
    with pytest.raises(ValueError, match="rules"):
        Recipe(name="own", start="accurate", rules=SMOOTH, stages=(Stage(name="own"),))
