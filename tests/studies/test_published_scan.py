"""Aggregates of the authors' scan beside ours."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from studies.screening.published_scan import PUBLISHED, beside_published


def test_crystals_in_both_scans_are_compared(tmp_path):
    theirs = {f"pred_{of}_mean": [4.0, 3.0, 0.5, 1.0] for of in PUBLISHED.values()}
    pq.write_table(pa.table({"id": ["a", "b", "c", "theirs alone"], **theirs}), tmp_path / "scan.parquet")
    found = beside_published({"a": 2.0, "b": 0.9, "c": 0.1, "ours alone": 9.0}, tmp_path / "scan.parquet", 1.0, 2)
    assert set(found) == set(PUBLISHED)
    one = found["MIX"]
    assert one["n"] == 3 and one["n_below"] == [1, 2] and one["lowest_in_common"] == 2
    assert one["median_w_mk"] == [3.0, 0.9] and one["spearman"] == pytest.approx(1.0)
