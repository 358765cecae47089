from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from kappatune.model.bundle import BadBundle, read_card
from kappatune.model.kappa_model import KappaModel
from kappatune.storage import file_sha256
from kappatune.training import train
from tests.training.tiny import recipe, stage, tables, tiny_table, weights_of


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    out = tmp_path_factory.mktemp("bundle") / "model"
    train(recipe(stage("dft", epochs=1, frozen=["host"]), seeds=[1, 2]), tables, out)
    return out


@pytest.fixture
def copy(bundle, tmp_path):
    for name in ("card.json", "weights.safetensors"):
        (tmp_path / name).write_bytes((bundle / name).read_bytes())
    return tmp_path


def change_card(folder, **changes):
    path = folder / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def change_weights(folder, change):
    tensors = load_file(folder / "weights.safetensors")
    change(tensors)
    save_file(tensors, folder / "weights.safetensors")
    change_card(folder, weights_sha256=file_sha256(folder / "weights.safetensors"))


def test_what_is_saved_comes_back(bundle, tmp_path):
    model = KappaModel.load(bundle)
    model.save(tmp_path / "again")
    again = KappaModel.load(tmp_path / "again")
    assert again.card == model.card
    assert all(np.array_equal(value, weights_of(again)[name]) for name, value in weights_of(model).items())
    crystals = [row.crystal for row in tiny_table("dft").rows]
    assert again.predict(crystals) == model.predict(crystals)


def test_equal_hosts_are_stored_once(bundle):
    card = read_card(bundle)
    assert card.members == [0, 0]
    assert not any(name.startswith("hosts.1.") for name in load_file(bundle / "weights.safetensors"))


def test_the_card_tells_what_it_was_made_of(bundle):
    card = read_card(bundle)
    assert card.data[0].sha256 == tiny_table("dft", 1.0, True).sha256
    assert card.formulas["dft"] == sorted({row.crystal.formula for row in tiny_table("dft").rows})
    assert card.recipe["seeds"] == [1, 2]
    assert {"torch", "kappatune"} <= card.versions.keys()
    assert card.units["kappa_w_mk"] == "W/(m K) at 300 K"


def test_changed_weights_are_noticed(copy):
    raw = bytearray((copy / "weights.safetensors").read_bytes())
    raw[-5] ^= 1
    (copy / "weights.safetensors").write_bytes(raw)
    with pytest.raises(BadBundle, match="damaged or changed"):
        KappaModel.load(copy)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda t: t.pop("members.1.dft.layers.0.weight"), r"missing dft\.layers\.0\.weight"),
        (lambda t: t.update({"hosts.0.extra": t["hosts.0.last.bias"].clone()}), "unexpected extra"),
        (lambda t: t.update({"members.7.x": t["hosts.0.last.bias"].clone()}), "belong to no host, member or domain"),
    ],
)
def test_weights_that_do_not_fit_are_named(copy, fault, message):
    change_weights(copy, fault)
    with pytest.raises(BadBundle, match=message):
        KappaModel.load(copy)


def test_cards_that_do_not_fit_are_explained(copy):
    change_card(copy, schema_version=99)
    with pytest.raises(BadBundle, match="schema version 99"):
        KappaModel.load(copy)
    change_card(copy, schema_version=1, members="none")
    with pytest.raises(BadBundle, match="members"):
        KappaModel.load(copy)
    change_card(copy, members=[])
    with pytest.raises(BadBundle, match="members"):
        KappaModel.load(copy)
    change_card(copy, members=[0, 0], embedding="foo")
    with pytest.raises(BadBundle, match="not 'foo'"):
        KappaModel.load(copy)
    change_card(copy, embedding="pooled", composition="debye")
    with pytest.raises(BadBundle, match="needs the rung 'agl'"):
        KappaModel.load(copy)
    (copy / "card.json").write_text("{")
    with pytest.raises(BadBundle, match="not readable as JSON"):
        KappaModel.load(copy)


def test_missing_parts_are_named(copy, tmp_path):
    with pytest.raises(BadBundle, match=r"card\.json is missing"):
        KappaModel.load(tmp_path / "nowhere")
    (copy / "weights.safetensors").unlink()
    with pytest.raises(BadBundle, match=r"weights\.safetensors is missing"):
        KappaModel.load(copy)
