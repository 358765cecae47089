from __future__ import annotations

import pytest

from kappatune.agl_workflow import AglSettings
from kappatune.structures.table import LabelledCrystal
from studies.agl import engine
from tests.builders import rocksalt


def test_a_killed_run_continues_where_it_was(tmp_path, monkeypatch):
    sample = [LabelledCrystal(rocksalt(12, 8, 4.2 + 0.1 * k, id=f"c{k}"), 5.0, "agl") for k in range(3)]
    computed: list[str] = []

    def values(row, *_):
        if row.crystal.id == "c1" and not computed.count("killed"):
            computed.append("killed")
            raise KeyboardInterrupt
        computed.append(row.crystal.id)
        return {"kappa": 1.0, "id": row.crystal.id}

    monkeypatch.setattr(engine, "_values", values)
    path = tmp_path / "runs" / "sample.jsonl"
    with pytest.raises(KeyboardInterrupt):
        engine._run(sample, None, path, AglSettings())
    found = engine._run(sample, None, path, AglSettings())
    assert computed == ["c0", "killed", "c1", "c2"]
    assert [values["id"] for values in found] == ["c0", "c1", "c2"]
