"""Strained copies: kappa and the Debye temperature follow the volume as the Grüneisen parameter says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from kappatune.model.graphs import build_graphs
from kappatune.model.heads import strained_targets, transform_properties
from kappatune.model.rules import GraphRules
from kappatune.physics.slack import ln_slack_kappa
from kappatune.structures import Crystal, LabelledCrystal, LabelledTable
from kappatune.training import train
from kappatune.training.recipe import BadRun
from tests.builders import low_symmetry, rocksalt
from tests.frozen.test_frozen import V0_1_0
from tests.training.tiny import DEBYE_COLUMNS, recipe, stage, tables, tiny_table

SMOOTH = {"primitive_cell": "smooth", "bond_envelope": "smooth"}
HOSTS = ["megnet-mp-2018.6.1-log10K", "element-statistics", "bond-geometry"]
STRAIN = 0.03
WEIGHTS = {"kappa": 0.3, "debye_temperature_k": 3, "gruneisen": 1}
FIT = {"epochs": 60, "batch_size": 24, "learning_rate": 3e-3, "validation": None}


def strained(crystal: Crystal, ln_volume: float) -> Crystal:
    return Crystal(crystal.lattice * np.exp(ln_volume / 3), crystal.numbers, crystal.frac_coords)


def ln_kappa(model, ln_volume: float, fidelity: str):
    crystals = [strained(row.crystal, ln_volume) for row in tiny_table("dft").rows]
    return np.log([row.kappa_w_mk for row in model.predict(crystals, fidelity)])


def slopes(model, fidelity: str):
    return (ln_kappa(model, STRAIN, fidelity) - ln_kappa(model, -STRAIN, fidelity)) / (2 * STRAIN)


@pytest.mark.parametrize("ln_volume", [-0.03, 0.02])
def test_a_strained_batch_is_that_of_strained_crystals(ln_volume):
    crystals = [rocksalt(12, 8, 4.21), low_symmetry()]
    rules = GraphRules(bond_envelope="smooth")
    by_hand = build_graphs(crystals, 6.0, rules).batch().strained(torch.full((2,), ln_volume))
    built = build_graphs([strained(crystal, ln_volume) for crystal in crystals], 6.0, rules).batch()
    assert by_hand.volume_per_atom == pytest.approx(built.volume_per_atom, rel=1e-5)
    both = [np.sort(b.distance[b.distance < 5.5].numpy()) for b in (by_hand, built)]
    assert both[0] == pytest.approx(both[1], rel=1e-5)
    assert by_hand.bonds_fall and by_hand.n_primitive.equal(built.n_primitive)


def test_strained_targets_keep_the_slack_formula():
    of_crystal = torch.tensor([[40.0, 9.0, 2.0], [70.0, 22.0, 5.0]]).log()
    known = torch.tensor([[700.0, 1.5, 160.0, 120.0], [150.0, 2.4, 30.0, torch.nan]])

    def slack(properties, of):
        ln_theta = properties[:, 0] - 0.5 * of[:, 0] + of[:, 1] / 6.0
        return ln_slack_kappa(ln_theta, properties[:, 1], *of.T)

    transformed = transform_properties(known, of_crystal)
    ln_volume = torch.tensor([0.02, -0.03])
    kappa, after = strained_targets(slack(transformed, of_crystal), transformed, ln_volume)
    of_strained = of_crystal + torch.stack([torch.zeros(2), ln_volume, torch.zeros(2)], dim=1)
    assert kappa == pytest.approx(slack(after, of_strained), abs=1e-5)
    theta = [p[:, 0] + of[:, 1] / 6.0 for p, of in ((after, of_strained), (transformed, of_crystal))]
    assert theta[0] - theta[1] == pytest.approx(-known[:, 1] * ln_volume, abs=1e-5)
    bulk = after[:, 2] - transformed[:, 2]
    assert 0.5 * bulk + ln_volume / 6.0 == pytest.approx(-known[:, 1] * ln_volume, abs=1e-5)
    assert torch.isnan(after[1, 3]) and torch.equal(after[:, 1], known[:, 1])


@pytest.fixture(scope="module")
def models():
    """One trained on crystals as they are, one on strained ones."""
    both = []
    for strain in ({}, {"volume_strain": STRAIN}):
        agl = stage("agl", properties=DEBYE_COLUMNS, loss_weights=WEIGHTS, **strain) | FIT
        dft = {"name": "dft", "fidelity": "dft", "learner": "gaussian-process", **strain}
        plan = recipe(agl, dft, composition="debye", host=HOSTS, rules=SMOOTH, head=[32, 32])
        both.append(train(plan, tables, on_progress=lambda event: None))
    return both


def test_kappa_falls_with_volume_as_the_gruneisen_parameter_says(models):
    gruneisen = np.array([row.properties["gamma"] for row in tiny_table("agl", 0.2, with_properties=True).rows])
    expected = 1 / 3 - 3 * gruneisen
    off = [np.abs(slopes(model, "agl") - expected).mean() for model in models]
    assert off[1] < 0.6
    assert off[0] > 3.0


def test_a_correction_stays_when_the_crystal_is_strained(models):
    changes = [np.abs(slopes(model, "dft") - slopes(model, "agl")).mean() for model in models]
    assert changes[1] < 0.5
    assert changes[0] > 1.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rules": {}}, "bond_envelope: smooth"),
        ({"properties": {"gruneisen": "gamma"}}, "beside debye_temperature_k"),
        ({"properties": {"debye_temperature_k": "theta"}}, "the property gruneisen, which the targets follow"),
        ({"fidelity": "dft"}, "needs the fidelity 'agl'"),
    ],
)
def test_what_strains_need(settings, message):
    properties = settings.pop("properties", DEBYE_COLUMNS)
    fidelity = settings.pop("fidelity", "agl")
    agl = stage("agl", properties=DEBYE_COLUMNS)
    strained_stage = stage("more", properties=properties, volume_strain=STRAIN) | {"fidelity": fidelity}
    with pytest.raises(ValidationError, match=message):
        recipe(agl, strained_stage, composition="debye", host=HOSTS, **{"rules": SMOOTH, **settings})


def test_a_model_whose_bonds_end_at_once_is_not_trained_on_strains():
    dft = {"name": "dft", "fidelity": "dft", "learner": "gaussian-process", "volume_strain": STRAIN}
    with pytest.raises(BadRun, match="bonds fall smoothly"):
        train(recipe(dft, start="fast"), tables, start=V0_1_0 / "bundles" / "fast", on_progress=lambda event: None)


def test_crystals_without_properties_are_learnt_as_they_are():
    table = tiny_table("agl", 0.2, with_properties=True)
    unknown = [
        LabelledCrystal(row.crystal, row.kappa, row.fidelity, row.source, {"theta": np.nan, "gamma": np.nan})
        for row in table.rows[1:]
    ]
    sparse = LabelledTable("sparse", [table.rows[0], *unknown], [], "")
    settings = {"properties": {"debye_temperature_k": "theta", "gruneisen": "gamma"}, "loss_weights": WEIGHTS}
    agl = stage("agl", volume_strain=STRAIN, validation=None, **settings)
    model = train(
        recipe(agl, composition="debye", host=HOSTS, rules=SMOOTH),
        lambda _: [sparse],
        on_progress=lambda event: None,
    )
    assert np.isfinite(ln_kappa(model, 0.0, "agl")).all()
