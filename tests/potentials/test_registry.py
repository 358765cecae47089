from __future__ import annotations

import pytest

from kappatune.potentials import BadPotential, best_available, load_potential
from kappatune.potentials.registry import KNOWN


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(BadPotential, match="known are chgnet, sevennet, sevennet-l3i5, mace, nequix and best, or"):
        load_potential("dream")


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr("kappatune.potentials.registry.importlib.util.find_spec", lambda name: None)
    with pytest.raises(BadPotential, match=r"pip install '\.\[mlip\]' in a clone.*pip install 'kappatune\[mlip\]'"):
        load_potential("chgnet")
    with pytest.raises(BadPotential, match="needs the package mace: pip install mace-torch"):
        load_potential("mace")


def test_the_best_potential_is_nequix_once_its_weights_are_there(monkeypatch, tmp_path):
    monkeypatch.setenv("KAPPATUNE_CACHE", str(tmp_path))
    assert best_available() == "sevennet-l3i5"
    (tmp_path / "nequix-mp-1-pft.nqx").write_text("{}\n")
    assert best_available() == "nequix"
    with pytest.raises(BadPotential, match="not a weights file of Nequix"):
        load_potential("best")


def test_weights_that_are_not_there_are_named(tmp_path):
    with pytest.raises(BadPotential, match="no such file of Nequix weights"):
        load_potential(str(tmp_path / "mine.nqx"))


def test_what_goes_wrong_while_loading_is_told(monkeypatch):
    def fail():
        raise RuntimeError("no weights")

    monkeypatch.setattr("kappatune.potentials.registry.importlib.util.find_spec", lambda name: object())
    monkeypatch.setitem(KNOWN, "mace", type(KNOWN["mace"])(fail, "mace", "mace-torch"))
    with pytest.raises(BadPotential, match=r"'mace' cannot be loaded \(RuntimeError: no weights\)"):
        load_potential("mace")
