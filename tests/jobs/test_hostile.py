"""What must lose nothing and block nobody: crystals that kill, cancel storms, servers that die in the middle."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from kappatune.jobs.estimator import JobRefused
from kappatune.jobs.queue import MAX_ATTEMPTS
from kappatune.jobs.store import JOB, RESULT, JobStore
from kappatune.structures import Crystal
from tests.jobs.toys import AGL, LIMITS, VERIFY, copper, ended, gold, queue, wait_until


def test_a_crystal_that_kills_its_process_fails_alone(tmp_path):
    with queue(tmp_path, "killer", own_processes=True) as jobs:
        assert "process that estimates costs died" in jobs.estimate(AGL, gold()).result().reason
        killed, after = jobs.submit(AGL, gold())[0], jobs.submit(AGL, copper())[0]
        killed, after = ended(jobs, killed.id), ended(jobs, after.id)
        assert (killed.state, after.state) == ("failed", "done")
        assert "the process died" in killed.reason and after.summary.kappa_w_mk > 0
        assert jobs.result(killed) is None and jobs.estimate(AGL, copper()).result().cost is not None


def test_a_job_that_runs_is_cancelled_at_once_and_one_in_the_middle_of_its_forces_continues(tmp_path):
    with queue(tmp_path, "slow_copper", own_processes=True) as jobs:
        first = jobs.submit(VERIFY, copper())[0]
        wait_until(lambda: jobs.job(first.id).state == "running")
        jobs.cancel(first.id)
        assert ended(jobs, first.id, 60).state == "cancelled" and jobs.jobs()[0].reason.startswith("cancelled while")
        assert jobs.submit(VERIFY, copper())[1]
        # on disk, for the progress counts cells that both orders share twice
        wait_until(lambda: len(list((tmp_path / "cache").rglob("*.npy"))) >= 3)
        running = jobs.job(first.id)
        assert running.cost.n_forces > 3 and running.progress.text.startswith("forces of ")
    stored = JobStore(tmp_path)
    (left,) = stored.read_all()
    stored.close()
    assert left.state == "queued" and left.attempts == 0
    forces = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.npy")}
    assert len(forces) >= 3
    with queue(tmp_path, "slow_copper") as jobs:
        done = ended(jobs, first.id)
        assert done.state == "done" and done.summary.kappa_w_mk > 0
    assert {path: path.stat().st_mtime_ns for path in forces} == forces, "forces on disk were computed again"


def test_a_job_that_takes_too_long_is_ended(tmp_path):
    limits = LIMITS.model_copy(update={"job_s": 0.5, "estimate_s": 0.2})
    with queue(tmp_path, "slow_copper", own_processes=True, limits=limits) as jobs:
        assert "took more than 0.2 s" in jobs.estimate(VERIFY, copper()).result().reason
        failed = ended(jobs, jobs.submit(VERIFY, copper())[0].id)
        assert failed.state == "failed" and "the longest this server works" in failed.reason


@pytest.mark.parametrize(("attempts", "state"), [(1, "done"), (MAX_ATTEMPTS, "failed")])
def test_a_job_whose_server_died_is_begun_again_but_not_forever(tmp_path, attempts, state):
    with queue(tmp_path, start=False) as jobs:
        job = jobs.submit(AGL, copper())[0]
    stored = JobStore(tmp_path)
    stored.save(job.changed(state="running", attempts=attempts))
    stored.close()
    with queue(tmp_path) as jobs:
        found = ended(jobs, job.id)
        assert found.state == state
        if state == "failed":
            assert "the server ended 5 times" in found.reason
            again, is_new = jobs.submit(AGL, copper())
            assert is_new and ended(jobs, again.id).state == "done"


def test_damaged_folders_stop_nobody(tmp_path, caplog):
    with queue(tmp_path) as jobs:
        done = ended(jobs, jobs.submit(AGL, copper())[0].id)
        other = ended(jobs, jobs.submit(AGL, copper(3.61))[0].id)
    folder = tmp_path / "jobs"
    (folder / done.id / RESULT).write_text("{")
    (folder / other.id / JOB).write_text("no json")
    (folder / "stray").mkdir()
    with queue(tmp_path) as jobs:
        assert "stray is no job" in caplog.text and f"{other.id} is no job" in caplog.text
        (job,) = jobs.jobs()
        assert job.id == done.id and job.state == "failed" and "damaged" in job.reason
        assert jobs.submit(AGL, copper())[1] and ended(jobs, job.id).state == "done"


def test_a_cancel_storm_leaves_the_queue_as_it_was(tmp_path):
    with queue(tmp_path, start=False) as jobs:
        kept = jobs.submit(AGL, copper(3.7))[0]
        for k in range(200):
            job = jobs.submit(AGL, copper(3.5 + 0.0001 * k))[0]
            assert jobs.cancel(job.id).state == "cancelled" and jobs.cancel(job.id).state == "cancelled"
        assert [job.id for job in jobs.jobs() if job.state == "queued"] == [kept.id]
        assert len(jobs.jobs()) <= LIMITS.ended + 2 and len(list((tmp_path / "jobs").iterdir())) <= LIMITS.ended + 2
        assert jobs.cancel("agl-0000000000000000") is None
        jobs.start()
        assert ended(jobs, kept.id).state == "done" and jobs.cancel(kept.id).state == "done"


def test_a_storm_of_clients_and_a_restart_in_the_middle_lose_no_job(tmp_path):
    limits = LIMITS.model_copy(update={"queue": 100, "ended": 100})

    def ask(jobs, k: int, turns: int) -> str:
        """Ask for a job and cancel it, again and again, and leave it asked for."""
        for _ in range(turns):
            jobs.cancel(jobs.submit(AGL, copper(3.5 + 0.01 * k))[0].id)
        return jobs.submit(AGL, copper(3.5 + 0.01 * k))[0].id

    with queue(tmp_path, limits=limits, workers=2) as jobs, ThreadPoolExecutor(8) as clients:
        asked = [*clients.map(lambda k: ask(jobs, k, 25), range(16))]
    with queue(tmp_path, limits=limits) as jobs:
        assert {ended(jobs, job_id).state for job_id in asked} == {"done"} and len(jobs.jobs()) == len(asked) == 16
        assert all(jobs.result(job).row["kappa_w_mk"] for job in jobs.jobs())
    stored = JobStore(tmp_path)
    assert [job.state for job in stored.read_all()] == ["done"] * 16
    stored.close()


def test_what_is_cancelled_and_asked_for_at_once_again_is_computed(tmp_path):
    with queue(tmp_path, "slow_copper", own_processes=True) as jobs:
        job = jobs.submit(VERIFY, copper())[0]
        wait_until(lambda: len(list((tmp_path / "cache").rglob("*.npy"))) >= 2)
        assert jobs.cancel(job.id).state == "running"
        assert jobs.submit(VERIFY, copper())[0].id == job.id
        assert ended(jobs, job.id).state == "done"


EMPTY = Crystal(1000.0 * np.eye(3), np.array([29]), np.zeros((1, 3)), id="one atom in a cube of 100 nm")
SHEET = Crystal(np.diag([300.0, 300.0, 2.5]), np.array([29, 29]), np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), id="sheet")
CLOSE = Crystal(np.eye(3), np.array([29, 29]), np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), id="0.9 Å apart")


@pytest.mark.parametrize("crystal", [EMPTY, SHEET, CLOSE], ids=["empty", "sheet", "close"])
def test_cells_that_no_crystal_has_end_with_the_reason_and_hold_up_nobody(tmp_path, crystal):
    with queue(tmp_path) as jobs:
        asked = [jobs.submit(request, crystal)[0] for request in (AGL, VERIFY)]
        after = jobs.submit(AGL, copper())[0]
        assert ended(jobs, after.id).summary.kappa_w_mk > 0
        for job in asked:
            failed = ended(jobs, job.id)
            assert failed.state == "failed" and "Å^3 per atom, no crystal has" in failed.reason


def test_watchers_are_limited_and_told_the_place_in_the_queue(tmp_path):
    with queue(tmp_path, start=False, limits=LIMITS.model_copy(update={"watchers": 2})) as jobs:
        told = []
        ends = [jobs.watch(told.append), jobs.watch(print)]
        with pytest.raises(JobRefused, match="2 clients follow"):
            jobs.watch(print)
        ends[1]()
        jobs.watch(print)
        first, second = jobs.submit(AGL, copper())[0], jobs.submit(AGL, copper(3.61))[0]
        jobs.cancel(first.id)
        assert [(job.id, job.position) for job in told] == [
            (first.id, 1), (second.id, 2), (first.id, None), (second.id, 1),
        ]  # fmt: skip


@pytest.mark.parametrize("potential", ["repulsive", "exploding", "liquid"])
def test_potentials_that_explode_are_answered_with_the_reason(tmp_path, potential):
    with queue(tmp_path, potential) as jobs:
        for request in (AGL, VERIFY):
            done = ended(jobs, jobs.submit(request, copper())[0].id)
            assert done.state == "done" and done.reason and done.summary.kappa_w_mk is None
            result = jobs.result(done)
            assert result.row["reason"] == done.reason and result.curves.kappa == []


def test_a_full_disk_refuses_the_job_and_not_the_server(tmp_path, monkeypatch):
    def no_space(*_):
        raise OSError(28, "No space left on device")

    with queue(tmp_path) as jobs:
        with monkeypatch.context() as patched:
            patched.setattr(JobStore, "add", no_space)
            with pytest.raises(JobRefused, match="No space left"):
                jobs.submit(AGL, copper())
        job = jobs.submit(AGL, copper())[0]
        monkeypatch.setattr(JobStore, "save", no_space)
        assert ended(jobs, job.id).state == "done"
