"""The study that times the server, on a small scan."""

from __future__ import annotations

from studies.speed.serve import scan_pages


def test_pages_of_a_scan_of_any_size_are_timed(server):
    timed = scan_pages(server, 3000)
    assert len(timed["seconds"]) == 9 and all(0 < s < 20 for s in timed["seconds"].values())
    assert timed["memory_mb"] > 50
