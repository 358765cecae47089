from __future__ import annotations

import json
from typing import Literal

import pytest

from studies import store
from studies.store import Record, RecordFile, load_result, load_results, save_result


class Mass(Record):
    record: Literal["mass"] = "mass"
    crystal: str
    grams: float

    @property
    def name(self) -> str:
        return self.crystal


class Colour(Record):
    record: Literal["colour"] = "colour"
    crystal: str

    @property
    def name(self) -> str:
        return self.crystal


def test_records_are_lines_sorted_by_kind_and_name(tmp_path):
    records = RecordFile(tmp_path / "study.jsonl")
    assert records.read(Mass) == []
    records.add(Mass(crystal="NaCl", grams=2.5))
    records.add(Mass(crystal="MgO", grams=1e-200), Mass(crystal="Si", grams=0.1 + 0.2))
    records.add(Colour(crystal="Si"))
    lines = [json.loads(line) for line in (tmp_path / "study.jsonl").read_text().splitlines()]
    assert [(line["record"], line["crystal"]) for line in lines] == [
        ("colour", "Si"),
        ("mass", "MgO"),
        ("mass", "NaCl"),
        ("mass", "Si"),
    ]
    assert [mass.grams for mass in RecordFile(tmp_path / "study.jsonl").read(Mass)] == [1e-200, 2.5, 0.1 + 0.2]


def test_a_record_replaces_the_one_of_its_name_and_leaves_other_lines_alone(tmp_path):
    records = RecordFile(tmp_path / "study.jsonl")
    records.add(Mass(crystal="MgO", grams=1.0), Mass(crystal="Si", grams=2.0))
    before = (tmp_path / "study.jsonl").read_text().splitlines()
    records.add(Mass(crystal="Si", grams=3.0))
    after = (tmp_path / "study.jsonl").read_text().splitlines()
    assert after[0] == before[0] and len(after) == 2 and '"grams":3.0' in after[1]
    records.replace(Mass, [])
    assert records.read(Mass) == []


def test_a_kill_while_writing_leaves_the_records_of_before(tmp_path, monkeypatch):
    records = RecordFile(tmp_path / "study.jsonl")
    records.add(Mass(crystal="MgO", grams=1.0))

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", killed)
    with pytest.raises(KeyboardInterrupt):
        records.add(Mass(crystal="Si", grams=2.0))
    assert [mass.crystal for mass in records.read(Mass)] == ["MgO"]
    assert [path.name for path in tmp_path.iterdir()] == ["study.jsonl"]


def test_a_result_is_one_file_with_date_versions_and_machine_speed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    save_result("speed", {"crystals_per_s": 400.0})
    assert [path.name for path in tmp_path.iterdir()] == ["speed.json"]
    result = load_result("speed")
    assert result["study"] == "speed" and result["crystals_per_s"] == 400.0
    assert result["date"].startswith("20") and result["machine_gflops"] > 0 and "torch" in result["versions"]
    assert load_results("sp") == [result] and json.loads(capsys.readouterr().out) == result
