"""Bundles and host files of other versions: upgraded step by step, or refused with the reason."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from kappatune import KappaModel
from kappatune.model import bundle as bundle_files
from kappatune.model.bundle import BadBundle, read_card
from kappatune.model.card import SCHEMA_VERSION
from kappatune.model.graphs import build_graphs
from kappatune.model.hosts import BadWeights, HostCard, load_host, save_host, shipped_hosts, weights
from kappatune.model.rules import GraphRules
from kappatune.model.upgrades import (
    BUNDLE_UPGRADES,
    HOST_UPGRADES,
    CannotUpgrade,
    Upgrade,
    upgraded_card,
    upgrades_of,
)
from kappatune.storage import file_sha256
from kappatune.structures import Crystal
from kappatune.training import train
from tests.builders import rocksalt, supercell
from tests.frozen.test_frozen import V0_1_0

RULES_OF_0_1_0 = GraphRules(
    primitive_cell_tolerance_angstrom=0.01, bond_length_tolerance_angstrom=1e-4, bond_envelope="none"
)


@pytest.fixture(params=["direct", "debye-trees"])
def old_bundle(request):
    return V0_1_0 / "bundles" / request.param


@pytest.fixture
def copy(tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(V0_1_0 / "bundles" / "direct", folder)
    return folder


def stored_card(folder):
    return json.loads((folder / "card.json").read_text(encoding="utf-8"))


def change_card(folder, **changes):
    (folder / "card.json").write_text(json.dumps({**stored_card(folder), **changes}))


def test_every_earlier_version_has_one_step():
    assert sorted(BUNDLE_UPGRADES) == list(range(1, SCHEMA_VERSION))
    current = HostCard.model_fields["schema_version"].default
    assert sorted(HOST_UPGRADES) == list(range(1, current))


def test_a_bundle_of_0_1_0_keeps_the_rules_of_0_1_0(old_bundle):
    assert stored_card(old_bundle)["schema_version"] == 1
    card = read_card(old_bundle)
    assert (card.schema_version, card.rules) == (SCHEMA_VERSION, RULES_OF_0_1_0)


def test_an_upgraded_bundle_comes_back_with_the_same_numbers(old_bundle, tmp_path, crystals):
    model = KappaModel.load(old_bundle)
    before = {fidelity: model.predict(crystals, fidelity) for fidelity in model.card.fidelities}
    model.save(tmp_path / "new")
    assert stored_card(tmp_path / "new")["schema_version"] == SCHEMA_VERSION
    again = KappaModel.load(tmp_path / "new")
    assert again.card == model.card
    for fidelity, rows in before.items():
        assert again.predict(crystals, fidelity) == rows


def test_a_model_trained_from_an_old_one_keeps_its_rules(tmp_path):
    own = {"primitive_cell_tolerance_angstrom": 0.02, "bond_length_tolerance_angstrom": 1e-3, "bond_envelope": "none"}
    KappaModel.load(V0_1_0 / "bundles" / "debye-trees").save(tmp_path / "new")
    change_card(tmp_path / "new", rules=own)
    pairs = [(rocksalt(metal, 8, 4.2 + 0.1 * k), 5.0 + k) for k, metal in enumerate([12, 20, 25, 26, 27, 28, 38])]
    model = train("finetune", pairs, start=tmp_path / "new", on_progress=lambda event: None)
    assert model.card.rules == GraphRules.model_validate(own)
    assert model.build_graphs([rocksalt(12, 8, 4.2)]).rules == model.card.rules


def test_rules_decide_how_atoms_are_counted_and_bonds_are_folded():
    exact = supercell(rocksalt(12, 8, 4.212), (2, 1, 1))
    moved = Crystal(exact.lattice, exact.numbers, exact.frac_coords + np.outer([1, 0, 0, 0], [0.003, 0.0, 0.0]))
    strict = build_graphs([moved], 4.0)
    loose = build_graphs(
        [moved], 4.0, GraphRules(primitive_cell_tolerance_angstrom=0.1, bond_length_tolerance_angstrom=0.5)
    )
    assert (strict.n_primitive.tolist(), loose.n_primitive.tolist()) == ([4.0], [2.0])
    assert len(loose.distance) < len(strict.distance)


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (99, "schema version 99 is newer than 3, the newest this kappatune reads: upgrade kappatune"),
        (0, "there is no schema version 0"),
        (-1, "there is no schema version -1"),
        ("1", "there is no schema version '1'"),
        (True, "there is no schema version True"),
        (None, "there is no schema version None"),
    ],
)
def test_unknown_versions_are_refused(copy, version, message):
    change_card(copy, schema_version=version)
    with pytest.raises(BadBundle, match=message):
        KappaModel.load(copy)
    with pytest.raises(BadBundle, match=r"card\.json"):
        read_card(copy)


def test_a_card_that_is_no_record_is_refused(copy):
    (copy / "card.json").write_text("[1]")
    with pytest.raises(BadBundle, match="not the card of a model"):
        read_card(copy)


def test_a_rule_that_this_version_does_not_know_is_refused(copy, tmp_path):
    KappaModel.load(copy).save(tmp_path / "new")
    change_card(tmp_path / "new", rules={**RULES_OF_0_1_0.model_dump(), "bond_envelope": "cosine"})
    with pytest.raises(BadBundle, match=r"rules\.bond_envelope"):
        KappaModel.load(tmp_path / "new")


def test_steps_are_applied_in_order():
    def note(text):
        return Upgrade(lambda card: {**card, "notes": [*card["notes"], text]})

    steps = {1: note("one"), 2: note("two"), 3: note("three")}
    card = {"schema_version": 2, "notes": []}
    assert upgraded_card(card, upgrades_of(card, steps)) == {
        "schema_version": 4,
        "notes": ["two", "three"],
    }
    current = {"schema_version": 4, "notes": []}
    assert upgrades_of(current, steps) == [] and upgraded_card(current, []) == current


def test_a_step_that_cannot_keep_the_numbers_refuses_with_its_reason(copy, monkeypatch):
    def refuse(card):
        raise CannotUpgrade("its heads had no biases, which no step can add: train it again")

    monkeypatch.setitem(bundle_files.BUNDLE_UPGRADES, 1, Upgrade(refuse))
    with pytest.raises(BadBundle, match=r"card\.json: its heads had no biases, which no step can add: train it again"):
        KappaModel.load(copy)


def test_a_damaged_old_card_is_refused_with_its_version(copy, monkeypatch):
    monkeypatch.setitem(bundle_files.BUNDLE_UPGRADES, 1, Upgrade(lambda card: {**card, "name": card["title"]}))
    with pytest.raises(BadBundle, match="not a complete card of schema version 1"):
        KappaModel.load(copy)


def test_a_step_may_rename_tensors(copy, monkeypatch, crystals):
    expected = KappaModel.load(copy).predict(crystals)
    tensors = load_file(copy / "weights.safetensors")
    save_file({name.replace("members.", "networks."): t for name, t in tensors.items()}, copy / "weights.safetensors")
    change_card(copy, weights_sha256=file_sha256(copy / "weights.safetensors"))
    step = BUNDLE_UPGRADES[1]
    renaming = Upgrade(step.card, lambda old: {n.replace("networks.", "members."): t for n, t in old.items()})
    monkeypatch.setitem(bundle_files.BUNDLE_UPGRADES, 1, renaming)
    assert KappaModel.load(copy).predict(crystals) == expected


def test_host_files_upgrade_and_refuse_too(tmp_path, monkeypatch):
    name = next(host for host in shipped_hosts() if host.endswith("log10K"))
    path = tmp_path / "host.safetensors"
    save_host(load_host(name), path, name="x", source="test", licence="MIT")
    newer = HostCard.model_construct(**{**weights.read_host_card(path).model_dump(), "schema_version": 7})
    save_file(load_file(path), path, metadata={"kappatune_host": newer.model_dump_json()})
    with pytest.raises(BadWeights, match="schema version 7 is newer than 1"):
        load_host(path)
    for version in range(1, 7):
        monkeypatch.setitem(weights.HOST_UPGRADES, version, Upgrade(lambda card: card))
    with pytest.raises(BadWeights, match="does not fit its version"):
        load_host(path)
