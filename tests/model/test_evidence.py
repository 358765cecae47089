from __future__ import annotations

import json

import pytest

from kappatune.model.evidence import EVIDENCE, BadEvidence, Evidence, interval_note, read_evidence
from kappatune.model.intervals import IntervalCalibration

GOOD = {
    "date": "2026-11-23",
    "tables": [{"title": "errors", "columns": ["set", "factor"], "rows": [["L96", 1.5], ["HH143", None]], "note": "x"}],
    "calibration": [{"fidelity": "dft", "nominal": [0.5, 0.9], "observed": [0.48, 0.91], "n": 100}],
}


def test_a_folder_without_evidence_has_none(tmp_path):
    assert read_evidence(tmp_path) is None


def test_evidence_is_read_as_written(tmp_path):
    (tmp_path / EVIDENCE).write_text(json.dumps(GOOD))
    found = read_evidence(tmp_path)
    assert found == Evidence.model_validate(GOOD)
    assert found.tables[0].rows[1] == ["HH143", None]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"calibration": [{"fidelity": "dft", "nominal": [0.5], "observed": []}]}, "1 nominal shares but 0"),
        ({"calibration": [{"fidelity": "dft", "nominal": [1.5], "observed": [0.5]}]}, "less than or equal to 1"),
        ({"tables": [{"title": "t", "columns": ["a"], "rows": [[1, 2]]}]}, "2 cells for 1 columns"),
        ({"extra": 1}, "extra"),
        ({"date": None}, "date"),
    ],
)
def test_wrong_evidence_is_refused_by_name(tmp_path, change, word):
    (tmp_path / EVIDENCE).write_text(json.dumps({**GOOD, **change}))
    with pytest.raises(BadEvidence, match=word):
        read_evidence(tmp_path)


def test_a_broken_file_is_refused(tmp_path):
    (tmp_path / EVIDENCE).write_text("{")
    with pytest.raises(BadEvidence, match="not readable as JSON"):
        read_evidence(tmp_path)


def test_the_note_on_intervals_follows_the_calibration_of_the_training():
    own = IntervalCalibration(level=0.9, factor=2.0, floor_ln=0.3, n=40, date="2026-01-01", coverage=0.92)
    assert "calibrated in training on 40 values" in interval_note(None, "experiment", own)
    few = own.model_copy(update={"n": 4, "n_start": 19})
    assert "rests mainly on that of the model that training started from" in interval_note(None, "experiment", few)


def test_the_note_on_intervals_follows_the_evidence():
    assert "not calibrated" in interval_note(None, "dft")
    assert "not calibrated" in interval_note(Evidence.model_validate(GOOD), "agl")
    assert "a nominal 90% interval contained 91%" in interval_note(Evidence.model_validate(GOOD), "dft")
