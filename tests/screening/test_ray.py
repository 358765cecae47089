from __future__ import annotations

import os
import sys
import time
from functools import partial
from types import SimpleNamespace

import pytest

from kappatune.screening import BadRequest, screen, sources
from kappatune.screening.parts import ScanCounts
from kappatune.screening.settings import ScanSettings
from kappatune.screening.unit import Unit
from tests.screening.scans import POISON, pool, rows_of, run_screen, write_jsonl

ray = pytest.importorskip("ray", reason="needs the extra [ray]")
from ray.exceptions import ActorDiedError, OutOfMemoryError  # noqa: E402

from kappatune.cluster import enter_folder  # noqa: E402
from kappatune.screening.ray_pool import RayWorkerPool  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two nodes with one CPU each; reading `poison.cif` ends their processes."""
    from ray.cluster_utils import Cluster

    site = tmp_path_factory.mktemp("site")
    (site / "sitecustomize.py").write_text(POISON)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
        nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        nodes.add_node(num_cpus=1)
    yield nodes
    nodes.shutdown()


@pytest.fixture
def small_units(monkeypatch):
    monkeypatch.setattr(sources, "UNIT_SIZE", 8)


def test_two_nodes_give_the_same_parts(cluster, tmp_path, small_units):
    table = write_jsonl(tmp_path / "t.jsonl", pool(200))
    far = screen(table, tmp_path / "ray", ray=cluster.address)
    near = screen(table, tmp_path / "local", workers=1)
    assert (far.n_rows, far.n_answered) == (near.n_rows, near.n_answered)
    assert rows_of(tmp_path / "ray") == rows_of(tmp_path / "local")
    names = [sorted(path.name for path in (tmp_path / kind).iterdir()) for kind in ("ray", "local")]
    assert names[0] == names[1] and len(names[0]) == 27
    assert not ray.is_initialized()


def test_a_killed_scan_goes_on(cluster, tmp_path):
    table = write_jsonl(tmp_path / "t.jsonl", pool(400))
    arguments = (table, "--out", tmp_path / "out", "--ray", cluster.address)
    started = time.monotonic()
    process = run_screen(tmp_path, *arguments, wait=False)
    while len(list((tmp_path / "out").glob("part-*"))) < 5 and time.monotonic() - started < 60:
        time.sleep(0.05)
    process.kill()
    process.communicate()
    done = len(list((tmp_path / "out").glob("part-*.parquet")))
    assert 5 <= done < 50 and not (tmp_path / "out" / "_manifest.json").exists()
    code, stderr = run_screen(tmp_path, *arguments, "--resume")
    assert code == 0, stderr
    rows = rows_of(tmp_path / "out")
    assert [row["id"] for row in rows] == [crystal.id for crystal in pool(400)]


def test_nodes_that_join_later_work_too(cluster, tmp_path, small_units, monkeypatch):
    monkeypatch.setattr("kappatune.cluster.RECOUNT_SECONDS", 0.0)
    settings = ScanSettings(sources=(str(write_jsonl(tmp_path / "t.jsonl", pool(40))),))
    with RayWorkerPool(settings, tmp_path / "out", None, cluster.address) as workers:
        workers.start()
        assert workers.actors.n_actors == 2
        node = cluster.add_node(num_cpus=1)
        counts = list(workers.run(enumerate(sources.units(settings.sources, tmp_path))))
        assert workers.actors.n_actors == 3 and sum(count.rows for count in counts) == 40
    cluster.remove_node(node)


def test_a_poisoned_file_costs_one_row(cluster, tmp_path, small_units):
    folder = tmp_path / "cifs"
    folder.mkdir()
    for k, crystal in enumerate(pool(20)):
        crystal.to_pymatgen().to(filename=str(folder / ("poison.cif" if k == 7 else f"c{k:02d}.cif")))
    screen(folder, tmp_path / "out", ray=cluster.address)
    rows = {row["id"]: row for row in rows_of(tmp_path / "out")}
    assert len(rows) == 20
    assert "crashed the worker process" in rows["poison"]["reason"]
    assert sum(row["kappa_w_mk"] is not None for row in rows.values()) == 19


def test_what_a_worker_cannot_load_is_said(cluster, tmp_path):
    table = write_jsonl(tmp_path / "t.jsonl", pool(1))
    with pytest.raises(BadRequest, match="another model"):
        screen(table, tmp_path / "out", ray=cluster.address)
        screen(table, tmp_path / "out", "accurate", ray=cluster.address, resume=True)


def test_a_node_without_the_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("kappatune.cluster.VISIBILITY_SECONDS", 0.0)
    out = tmp_path / "out"
    out.mkdir()
    (out / ".sign").write_text("of this scan")
    enter_folder(tmp_path, out, "of this scan")
    for folder, seen, token in (
        (tmp_path / "nowhere", out, "of this scan"),
        (tmp_path, tmp_path / "nowhere", "of this scan"),
        (tmp_path, out, "of another"),
    ):
        with pytest.raises(BadRequest, match="storage that all nodes share"):
            enter_folder(folder, seen, token)


def test_the_loss_of_a_large_node_is_survived(tmp_path, monkeypatch):
    """All units of 400 actors come back at once, one half because memory ran out."""
    actors = FakeRay(monkeypatch, 400)
    workers = RayWorkerPool(ScanSettings(sources=("t.jsonl",)), tmp_path, 400, "local")
    workers.start()

    def pending():
        unit = Unit("rows", "t.jsonl", 1, [{}])
        yield from ((index, unit) for index in range(1200))
        for number, actor in enumerate(list(actors.started)):
            actor.end = ActorDiedError() if number % 2 else OutOfMemoryError("memory ran out")
        yield 1200, unit

    assert sum(counts.rows for counts in workers.run(pending())) == 1201


class FakeRay:
    """Stands for Ray: actors that answer at once, or have ended."""

    def __init__(self, monkeypatch, n_cpus):
        self.started = []
        for name in ("is_initialized", "cluster_resources", "wait", "get", "kill"):
            monkeypatch.setattr(ray, name, getattr(self, name))
        monkeypatch.setattr("kappatune.cluster._REMOTE", SimpleNamespace(remote=self.remote))
        self.n_cpus = n_cpus

    def remote(self):
        actor = SimpleNamespace(end=None)
        for method, answer in (("start", {}), ("call", ScanCounts(1, 1))):
            call = partial(lambda answer, *_: SimpleRef(actor, answer), answer)
            setattr(actor, method, SimpleNamespace(remote=call))
        self.started.append(actor)
        return actor

    def get(self, ref):
        if ref.actor.end:
            raise ref.actor.end
        return ref.answer

    def is_initialized(self):
        return True

    def cluster_resources(self):
        return {"CPU": self.n_cpus}

    def wait(self, refs, num_returns, timeout):
        return refs[:num_returns], refs[num_returns:]

    def kill(self, actor):
        pass


class SimpleRef:
    def __init__(self, actor, answer):
        self.actor, self.answer = actor, answer


def test_without_ray_the_extra_is_named(tmp_path, monkeypatch):
    table = write_jsonl(tmp_path / "t.jsonl", pool(1))
    monkeypatch.setitem(sys.modules, "ray", None)
    for module in ("kappatune.cluster", "kappatune.screening.ray_pool"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(BadRequest, match=r"pip install '\.\[ray\]' in a clone"):
        screen(table, tmp_path / "out", ray="local")


def test_an_address_without_a_cluster_is_named(tmp_path):
    table = write_jsonl(tmp_path / "t.jsonl", pool(1))
    code, stderr = run_screen(tmp_path, table, "--out", tmp_path / "out", "--ray", "127.0.0.1:1")
    assert code == 1 and "no Ray cluster at 127.0.0.1:1" in stderr and "Traceback" not in stderr
