"""The Python client and `kappatune serve --compute` as a user starts it, which is killed in the middle of a job."""

from __future__ import annotations

import os
import signal

import pytest

pytest.importorskip("fastapi", reason="the server needs kappatune[web]")

from kappatune import KappaModel
from kappatune.client import Client, ServerError
from studies.speed.serving import serving
from tests import toy_potentials as toy
from tests.jobs.toys import copper, huge, wait_until


@pytest.fixture(scope="module")
def options(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("server")
    return [
        "--model", "fast", "--compute", "--calculator", f"{toy.__file__}:slow_copper", "--max-atoms", "20",
        "--jobs", str(folder / "jobs"), "--keep", str(folder / "kept"),
    ]  # fmt: skip


def test_a_verification_outlives_its_server_and_is_found_at_the_address_of_its_crystal(options, tmp_path):
    with serving(*options) as first:
        server = Client(first.url)
        entries = [copper(), tmp_path / "nowhere.cif"]
        rows, same = server.predict(entries), KappaModel.load("fast").predict(entries)
        assert [row.model_dump(exclude={"kappa_w_mk", "lower_w_mk", "upper_w_mk"}) for row in rows] == [
            row.model_dump(exclude={"kappa_w_mk", "lower_w_mk", "upper_w_mk"}) for row in same
        ]
        assert rows[0].kappa_w_mk == pytest.approx(same[0].kappa_w_mk, rel=1e-5)
        key = server.explain(copper())["crystal"]
        (found,) = (one for one in server.search("Cu") if one["id"] == "cu")
        assert found["where"] in {"table", "kept"} and server.crystal(key)["kept"]["name"] == "cu"
        cost = server.estimate(key, "verify")
        with pytest.raises(ServerError, match="give the primitive cell") as refused:
            server.submit(huge(), "agl")
        assert refused.value.status == 413
        job = server.submit(key, "verify")
        assert job.cost == cost and server.submit(copper(), "verify", "quick").id == job.id
        wait_until(lambda: (progress := server.job(job.id).progress) and (progress.done or 0) >= 2)
        assert rows[0].kappa_w_mk == pytest.approx(server.predict(copper())[0].kappa_w_mk), "answers while it computes"
        os.kill(first.pid, signal.SIGKILL)
    with pytest.raises(ServerError, match="is `kappatune serve` running"):
        server.job(job.id)
    with serving(*options) as second:
        server, seen = Client(second.url), []
        done = server.wait(job.id, 300, seen.append)
        assert done.state == "done" and done.attempts == 2 and done.summary.kappa_w_mk > 0
        assert {one.state for one in seen} >= {"running", "done"}
        found = server.crystal(key)
        assert [one["id"] for one in found["jobs"]] == [job.id] and found["kept"]["name"] == "cu"
        result = server.result(job.id)
        assert result.row["verdict"] == "not judged" and result.curves.dispersion is not None
        paths = server.download(job.id, tmp_path / "files")
        assert {path.name for path in paths} >= {"row.json", "row.csv", "curves.json", "given.cif", "relaxed.cif"}
        assert server.jobs(state="done")[0].id == job.id and server.cancel(job.id).state == "done"


def test_without_a_server_it_says_so():
    with pytest.raises(ServerError, match="is `kappatune serve` running") as error:
        Client("http://127.0.0.1:9").search("PbTe")
    assert error.value.status == 0


def test_it_asks_for_one_crystal_at_a_time(tmp_path):
    with pytest.raises(ServerError, match="there are 2"):
        Client("http://127.0.0.1:9").explain([copper(), copper()])
    with pytest.raises(ServerError, match="no such file"):
        Client("http://127.0.0.1:9").explain(tmp_path / "nowhere.cif")
