from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from kappatune.data import fetching
from kappatune.structures import Crystal
from tests.builders import low_symmetry, rocksalt, supercell, zincblende

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: two threads on a busy machine wait a hundred times longer


@pytest.fixture
def crystals() -> list[Crystal]:
    return [
        rocksalt(12, 8, 4.212, "MgO"),
        zincblende(14, 14, 5.431, "Si"),
        supercell(rocksalt(11, 17, 5.64, "NaCl"), (2, 1, 1)),
        low_symmetry(),
    ]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the research tables; tests that need it are skipped without."""
    folder = os.environ.get("KAPPATUNE_DATA")
    if not folder:
        pytest.skip("set KAPPATUNE_DATA to the folder of the research tables to run this test")
    return Path(folder)


@pytest.fixture
def pauses(monkeypatch) -> list[float]:
    """The pauses that would have been made."""
    made: list[float] = []
    monkeypatch.setattr(fetching, "time", SimpleNamespace(sleep=made.append))
    return made


@pytest.fixture
def materials_project(monkeypatch) -> SimpleNamespace:
    """A client that knows `mp-1` to `mp-999` and `mvc-1`, answers in an order of its own and can fail."""
    state = SimpleNamespace(asked=[], fails=iter(()), opened=0)

    def search(*, material_ids: list[str], fields: list[str]) -> list[object]:
        state.asked.append(list(material_ids))
        if failure := next(state.fails, None):
            raise RuntimeError(failure)
        assert fields == ["material_id", "structure"]
        known = [id for id in material_ids if re.fullmatch(r"mp-\d{1,3}|mvc-1", id)]
        return [
            SimpleNamespace(material_id=id, structure=rocksalt(12, 8, 4 + int(id.split("-")[1]) / 1000).to_pymatgen())
            for id in reversed(known)
        ]

    def rester(**_: object) -> SimpleNamespace:
        state.opened += 1
        return SimpleNamespace(materials=SimpleNamespace(summary=SimpleNamespace(search=search)))

    client = ModuleType("mp_api.client")
    client.MPRester = rester
    monkeypatch.setitem(sys.modules, "mp_api", ModuleType("mp_api"))
    monkeypatch.setitem(sys.modules, "mp_api.client", client)
    monkeypatch.setenv("MP_API_KEY", "k" * 32)
    return state
