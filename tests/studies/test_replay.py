from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kappatune.structures.table import LabelledCrystal, LabelledTable
from studies.transfer import replay as replayed
from studies.transfer.replay import REPLAY, ReplayedRun, replay
from studies.transfer.research_tables import ResearchTables
from studies.transfer.stored import read_stored
from tests.builders import rocksalt, zincblende

TRAINED = ("L96", "HH143")


def research() -> ResearchTables:
    def rows(crystals) -> list[LabelledCrystal]:
        return [LabelledCrystal(c, 5.0 + 7 * k, "dft") for k, c in enumerate(crystals)]

    small = {
        "L96": rows(rocksalt(3 + k, 9, 4.0 + 0.1 * k, id=f"l{k}") for k in range(5)),
        "HH143": rows(zincblende(13 + k, 15, 5.0 + 0.1 * k, id=f"h{k}") for k in range(5)),
    }
    aflow = LabelledTable("aflow", [replace(row, kappa=3 * row.kappa) for row in small["L96"]], [], "")
    splits = {name: {1: (np.arange(3), np.arange(3, 5))} for name in small}
    return ResearchTables(small, aflow, [], {}, splits, {}, {}, {})


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(replayed, "EPOCHS", 3)
    monkeypatch.setattr(replayed, "PAPER_RUNS", (1,))


def test_the_faults_are_there_and_what_is_done_is_not_done_again(tmp_path):
    said: list[str] = []
    replay(research(), tmp_path, said.append)
    rows = read_stored(tmp_path / REPLAY, ReplayedRun)
    assert len(said) == 4 and {(r.step, r.train) for r in rows} == {(s, t) for s in ("I", "II", "III") for t in TRAINED}
    of = {(r.step, r.train, r.test): r for r in rows}
    two, three = of["II", "L96", "L96"], of["III", "L96", "L96"]
    assert two.honest_mape == three.honest_mape, "step III is the network of step II"
    assert two.mape != three.mape, "read on another scale"
    assert all(r.mape > 0 and np.isfinite(r.mape) for r in rows)
    replay(research(), tmp_path, said.append)
    assert len(said) == 4 and read_stored(tmp_path / REPLAY, ReplayedRun) == rows
