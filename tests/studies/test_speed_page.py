from __future__ import annotations

import pytest

from studies import store
from studies.speed.speed_page import FURTHER_STUDIES, STUDIES, speed_page, stored_timings
from studies.speed.weights import shipped_weights

TIMED = {"date": "2026-01-01", "machine_gflops": 50.0, "model": "fast", "n_cores": 2, "load_average": {"before": 0.5}}
STEPS = {"loaded": 0.21, "first_answer": 0.42, "address": 0.63, "batch": 1.24}
CLIENTS = {"seconds": 60.0, "requests": 4321, "errors": 0, "p50_s": 0.31, "p95_s": 0.52, "p99_s": 0.73}
FURTHER = {
    "serve_page": {"n_files": 100, "repeats": 5, "median_s": STEPS, "longest_s": {k: 2 * s for k, s in STEPS.items()}},
    "serve_jobs": {
        "calculator": "toy",
        "n_clients": 32,
        "without_job": CLIENTS,
        "during_verification": {**CLIENTS, "requests": 1234},
        "cancel_s": 0.9,
        "cancel_storm": {"n": 10, "seconds": 1.5, "next_job": "done", "next_job_after_s": 33.0},
    },
}
SECTIONS = {"serve_page": "## The page", "serve_jobs": "## The server while it computes"}


def results(of: dict[str, str], *further: str) -> dict[str, dict]:
    stored = {name: store.load_result(name) for name in STUDIES} | {name: TIMED | FURTHER[name] for name in further}
    return {name: one | {"weights_sha256": of} for name, one in stored.items()}


@pytest.mark.parametrize("timed", ["the shipped models", "models shipped before the present ones"])
def test_the_page_says_of_which_models_a_timing_is(timed):
    weights = shipped_weights()
    assert weights.keys() == {"accurate", "fast"}
    of = weights if timed == "the shipped models" else weights | {"fast": "0" * 64}
    assert speed_page(results(of), weights).count(f"GFLOP/s, {timed}.") == 4
    assert speed_page(results(of, *FURTHER_STUDIES), weights).count(f"GFLOP/s, {timed}.") == 6


@pytest.mark.parametrize("further", [(), ("serve_page",), ("serve_jobs",), FURTHER_STUDIES])
def test_a_section_stands_where_its_result_does(further):
    page = speed_page(results({}, *further), {})
    assert [name for name, title in SECTIONS.items() if f"\n{title}\n" in page] == list(further)
    if "serve_page" in further:
        assert "| a file is dropped; the answer | 0.42 s | 0.84 s |" in page
    if "serve_jobs" in further:
        assert "| a verification runs | 1,234 | 0 | 0.31 s | 0.52 s | 0.73 s |" in page


def test_results_that_are_not_stored_yet_are_no_error(tmp_path, monkeypatch):
    for name in STUDIES:
        (tmp_path / f"{name}.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    assert stored_timings().keys() == {*STUDIES}
    (tmp_path / "serve_jobs.json").write_text('{"n_clients": 32}', encoding="utf-8")
    assert stored_timings().keys() == {*STUDIES, "serve_jobs"}
    (tmp_path / "serve.json").unlink()
    with pytest.raises(FileNotFoundError, match="serve"):
        stored_timings()
