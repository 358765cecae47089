from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kappatune.progress import Event
from kappatune.structures.table import LabelledCrystal, LabelledTable
from studies.store import RecordFile
from studies.transfer import replay as replayed
from studies.transfer.replay import ReplayedRun, replay
from studies.transfer.research_tables import ResearchTables
from tests.builders import rocksalt, zincblende

TRAINED = ("L96", "HH143")


def tables() -> ResearchTables:
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


def test_the_faults_show_and_stored_runs_are_not_computed_again(tmp_path):
    events: list[Event] = []
    records = RecordFile(tmp_path / "results.jsonl")
    replay(tables(), records, events.append)
    rows = records.read(ReplayedRun)
    assert len(events) == 4
    assert {(r.step, r.train) for r in rows} == {(s, t) for s in ("I", "II", "III") for t in TRAINED}
    of = {(r.step, r.train, r.test): r for r in rows}
    two, three = of["II", "L96", "L96"], of["III", "L96", "L96"]
    assert two.honest_mape == three.honest_mape, "step III is the network of step II"
    assert two.mape != three.mape, "read on another scale"
    assert all(r.mape > 0 and np.isfinite(r.mape) for r in rows)
    replay(tables(), records, events.append)
    assert len(events) == 4 and records.read(ReplayedRun) == rows
