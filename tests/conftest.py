from __future__ import annotations

import os
from pathlib import Path

import pytest

from builders import low_symmetry, rocksalt, supercell, zincblende
from kappatune.structures import Crystal


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
