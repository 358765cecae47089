from __future__ import annotations

import csv
import io

import pytest

from kappatune.agl_workflow import agl
from kappatune.jobs.estimator import JobRefused
from kappatune.jobs.store import BadJobs
from kappatune.potentials import BadPotential
from kappatune.verification import verify
from tests import toy_potentials as toy
from tests.jobs.toys import AGL, LIMITS, VERIFY, copper, ended, huge, queue


def test_agl_gives_the_row_the_curves_and_the_files_of_the_command(tmp_path):
    with queue(tmp_path) as jobs:
        job, is_new = jobs.submit(AGL, copper())
        assert is_new and job.state == "queued" and job.position == 1 and job.n_atoms == 1
        done = ended(jobs, job.id)
        result = jobs.result(done)
        (same,) = agl(copper(), f"{toy.__file__}:copper")
        assert done.state == "done" and done.reason is None and done.summary.outcome == "answered"
        assert result.row["kappa_w_mk"] == done.summary.kappa_w_mk == pytest.approx(same.kappa_w_mk)
        assert result.row["potential"] == done.potential == same.potential
        energies = result.curves.energy_volume
        assert energies.energy_ev == pytest.approx(same.curve_energies_ev, rel=1e-6)
        assert min(energies.fit_energy_ev) == pytest.approx(min(energies.energy_ev), abs=0.05)
        assert result.curves.kappa[0].temperature_k == list(same.temperatures_k)
        assert {file.name for file in result.files} == {"row.json", "row.csv", "curves.json", "given.cif"}
        for file in result.files:
            assert jobs.file(done, file.name).stat().st_size == file.bytes
        (row,) = csv.DictReader(io.StringIO(jobs.file(done, "row.csv").read_text()))
        assert float(row["kappa_w_mk"]) == pytest.approx(same.kappa_w_mk) and "temperatures_k" not in row


def test_a_verification_gives_verdict_dispersion_and_cumulative_kappa(tmp_path):
    with queue(tmp_path) as jobs:
        costs = jobs.estimate(VERIFY, copper()).result()
        seen = []
        end = jobs.watch(lambda job: seen.append((job.state, job.progress and job.progress.step)))
        job, _ = jobs.submit(VERIFY, copper())
        assert job.cost == costs.cost
        done = ended(jobs, job.id)
        end()
        result = jobs.result(done)
        assert done.state == "done" and done.summary.verdict == "not judged"
        assert "has not been compared" in done.summary.because
        curves, row = result.curves, result.row
        assert row["predicted_w_mk"] > 0 and row["n_forces"] == costs.cost.n_forces
        assert curves.cumulative.kappa_w_mk[-1] == pytest.approx(row["kappa_bte_w_mk"], rel=1e-4)
        assert len(curves.dispersion.frequency_thz) == 3 and curves.dispersion.labels[0] == "G"
        assert len(curves.dispersion.distance) == len(curves.dispersion.frequency_thz[0])
        assert curves.kappa[0].kappa_w_mk == row["kappa_by_temperature_w_mk"]
        assert [curve.name for curve in curves.kappa] == (["phonons", "AGL"] if row["agl_w_mk"] else ["phonons"])
        assert (curves.energy_volume is not None) == (row["agl_w_mk"] is not None)
        assert curves.cumulative_mean_free_path.kappa_w_mk == sorted(curves.cumulative_mean_free_path.kappa_w_mk)
        assert "_cell_length_a" in jobs.file(done, "relaxed.cif").read_text()
        assert {"phono3py_params.yaml", "fc3.hdf5", "modes.csv"} < {file.name for file in result.files}
        assert all(jobs.file(done, file.name).stat().st_size == file.bytes > 0 for file in result.files)
        steps = list(dict.fromkeys(step for _, step in seen))
        assert steps == [None, "starting", "relaxation", "forces", "transport", "AGL"]
        assert [state for state, _ in seen][0 :: len(seen) - 1] == ["queued", "done"]


def test_the_same_request_is_the_same_job(tmp_path):
    with queue(tmp_path, start=False) as jobs:
        first, is_new = jobs.submit(AGL, copper())
        again, is_new_again = jobs.submit(AGL, copper(id="another name"))
        assert (is_new, is_new_again) == (True, False) and again.id == first.id
        assert jobs.submit(VERIFY, copper())[0].id != first.id
        assert jobs.submit(AGL, copper(3.61))[0].position == 3
        assert [job.position for job in jobs.jobs()] == [3, 2, 1]


def test_a_full_queue_and_a_large_cell_are_refused_with_what_to_do(tmp_path):
    with queue(tmp_path, start=False) as jobs:
        for k in range(LIMITS.queue):
            jobs.submit(AGL, copper(3.6 + 0.01 * k))
        with pytest.raises(JobRefused, match="5 jobs are waiting") as refused:
            jobs.submit(AGL, copper(4.0))
        assert not refused.value.too_large
        for ask in (jobs.submit, jobs.estimate):
            with pytest.raises(JobRefused, match=r"21 atoms .* up to 20: give the primitive cell") as refused:
                ask(VERIFY, huge())
            assert refused.value.too_large
        assert len(jobs.jobs()) == LIMITS.queue


def test_too_many_force_calculations_are_said_before_and_stop_the_job(tmp_path):
    limits = LIMITS.model_copy(update={"forces": 3})
    with queue(tmp_path, limits=limits) as jobs:
        estimated = jobs.estimate(VERIFY, copper()).result()
        assert estimated.cost is None and "more than max_forces = 3" in estimated.reason
        done = ended(jobs, jobs.submit(VERIFY, copper())[0].id)
        assert done.state == "done" and done.summary.outcome == "too large" and done.reason == estimated.reason


def test_what_was_beyond_the_limits_may_be_asked_again_with_larger_ones(tmp_path):
    with queue(tmp_path, limits=LIMITS.model_copy(update={"forces": 3})) as jobs:
        refused = ended(jobs, jobs.submit(VERIFY, copper())[0].id)
        assert refused.summary.outcome == "too large" and refused.may_be_asked_again
    with queue(tmp_path) as jobs:
        again, is_new = jobs.submit(VERIFY, copper())
        assert is_new and again.id == refused.id
        done = ended(jobs, again.id)
        assert done.summary.outcome == "answered" and not done.may_be_asked_again
        assert jobs.submit(VERIFY, copper()) == (done, False)


def test_the_cost_of_agl_is_of_the_right_size(tmp_path):
    with queue(tmp_path) as jobs:
        cost = jobs.estimate(AGL, copper()).result().cost
        assert cost.n_atoms == 1 and 60 < cost.n_forces < 100
        assert cost.seconds == pytest.approx(cost.n_forces * cost.seconds_per_force)


def test_one_folder_has_one_server_and_a_wrong_potential_frees_it(tmp_path):
    with queue(tmp_path, start=False), pytest.raises(BadJobs, match="another server keeps its jobs there"):
        queue(tmp_path).__enter__()
    with pytest.raises(BadPotential, match="not_a_calculator"):
        queue(tmp_path, "not_a_calculator").__enter__()
    with queue(tmp_path, start=False) as jobs:
        assert jobs.jobs() == []


def test_a_verification_has_the_numbers_of_the_function(tmp_path):
    with queue(tmp_path) as jobs:
        row = jobs.result(ended(jobs, jobs.submit(VERIFY, copper())[0].id)).row
    (same,) = verify(copper(), f"{toy.__file__}:copper", "quick", model="fast", out=tmp_path / "other")
    assert row["kappa_bte_w_mk"] == pytest.approx(same.kappa_bte_w_mk, rel=1e-6)
    assert row["predicted_w_mk"] == pytest.approx(same.predicted_w_mk)
