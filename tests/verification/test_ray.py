from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase.build import bulk
from ase.io import write

from kappatune.errors import BadRequest
from kappatune.structures import Rejection
from kappatune.verification import Verification, VerifierSpec, iter_verifications, verify
from kappatune.verification.events import CrystalFinished, ForcesProgress
from tests.verification.small import ALLOY, COPPER, SETTINGS, TOY, verifier
from tests.verification.test_verify_cli import QUICK, kappatune

pytest.importorskip("ray", reason="needs the extra [ray]")

from kappatune.cluster import Finished
from kappatune.verification import ray_batch

MAKE_FATAL_ONCE = """
import os, pathlib
from tests.toy_potentials import EMT, all_changes
MARK = pathlib.Path({mark!r})
class Fatal(EMT):
    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        if len(atoms) > 4 and len(list(MARK.parent.glob("out/cu-*/forces/*.npy"))) >= 5 and not MARK.exists():
            MARK.touch()
            os._exit(9)
        super().calculate(atoms, properties, system_changes)
def make():
    return Fatal()
"""
MEASURED = {"seconds", "peak_memory_gb"}


@pytest.fixture(scope="module")
def cluster():
    """Two nodes with one CPU each."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")]))
        nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        nodes.add_node(num_cpus=1)
    yield nodes
    nodes.shutdown()


def values(row: Verification) -> dict:
    return row.model_dump(exclude=MEASURED)


@pytest.mark.slow
def test_rows_are_those_of_one_process(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_batch, "MOST_ALONE", 10)
    entries = [COPPER, Rejection("x", "no such file"), ALLOY]
    events = []
    far = VerifierSpec(f"{TOY}:copper", SETTINGS, tmp_path / "far", model=None)
    rows = list(iter_verifications(entries, far, None, events.append, cluster.address))
    near = iter_verifications(entries, replace(far, out=tmp_path / "near"))
    assert [row.outcome for row in rows] == ["answered", "unreadable", "answered"]
    assert list(map(values, rows)) == list(map(values, near))
    assert {event.crystal for event in events if isinstance(event, CrystalFinished)} == {"cu", "x", "cu3au"}
    spread = {event.total for event in events if isinstance(event, ForcesProgress) and event.crystal == "cu3au"}
    assert len(spread) > 1  # the shares of the forces, then all displaced cells
    assert not list(tmp_path.glob("*/.sign"))


@pytest.mark.slow
def test_snapshots_are_spread_like_displaced_pairs(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_batch, "MOST_ALONE", 3)
    settings = SETTINGS.replace(third_order="fewest forces")
    events = []
    spec = VerifierSpec(f"{TOY}:copper", settings, tmp_path / "far", model=None)
    (row,) = iter_verifications([ALLOY], spec, None, events.append, cluster.address)
    plain = verifier(tmp_path / "plain", settings).verify(ALLOY)
    assert row.third_order == "snapshots" and row.n_forces == plain.n_forces
    np.testing.assert_allclose(row.kappa_tensor_w_mk, plain.kappa_tensor_w_mk, rtol=1e-9, atol=1e-9)
    spread = {event.total for event in events if isinstance(event, ForcesProgress)}
    assert len(spread) > 1


@pytest.mark.slow
def test_a_killed_worker_loses_nothing(cluster, tmp_path):
    (tmp_path / "fatal.py").write_text(MAKE_FATAL_ONCE.format(mark=str(tmp_path / "killed")))
    spec = VerifierSpec(f"{tmp_path}/fatal.py:make", SETTINGS, tmp_path / "out", model=None)
    (row,) = iter_verifications([COPPER], spec, None, ray=cluster.address)
    plain = verifier(tmp_path / "plain").verify(COPPER)
    assert (tmp_path / "killed").exists()
    assert row.outcome == "answered" and row.kappa_tensor_w_mk == plain.kappa_tensor_w_mk
    assert len(list(tmp_path.glob("out/cu-*/forces/*.npy"))) == row.n_forces == plain.n_forces


@pytest.mark.slow
def test_a_crystal_that_kills_every_worker_costs_one_row(cluster, tmp_path):
    spec = VerifierSpec(f"{TOY}:killer", SETTINGS, tmp_path, model=None)
    alloy, copper = iter_verifications([ALLOY, COPPER], spec, None, ray=cluster.address)
    assert alloy.outcome == "failed" and "the process died" in alloy.reason
    assert copper.outcome == "answered"


@pytest.fixture
def no_other_ray(monkeypatch):
    """A folder of its own for Ray, else a command joins the cluster of other tests, which ends with them."""
    with tempfile.TemporaryDirectory(prefix="ray") as folder:  # short: sockets lie below it
        monkeypatch.setenv("RAY_TMPDIR", folder)
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        yield


@pytest.mark.slow
@pytest.mark.usefixtures("no_other_ray")
def test_the_command_starts_ray_on_this_machine(tmp_path):
    write(tmp_path / "cu.cif", bulk("Cu", "fcc", 3.6))
    result = kappatune("verify", "--ray", "cu.cif", *QUICK, "--model", "fast", "--workers", 1, "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert '"outcome":"answered"' in result.stdout and "force calculations of 32 atoms" in result.stderr


def test_an_address_without_a_cluster_is_named(tmp_path):
    write(tmp_path / "cu.cif", bulk("Cu", "fcc", 3.6))
    result = kappatune("verify", "cu.cif", *QUICK, "--ray", "127.0.0.1:1", cwd=tmp_path)
    assert result.returncode == 1
    assert "no Ray cluster at 127.0.0.1:1" in result.stderr and "Traceback" not in result.stderr
    with pytest.raises(BadRequest, match="no Ray cluster at"):
        verify(bulk("Cu"), f"{TOY}:copper", model=None, ray="127.0.0.1:1")


class Inline:
    """Stands for the actors: works on a task when it is asked what has finished, and loses some."""

    def __init__(self, worker, lost=()):
        self.worker, self.lost = worker, lost
        self.tasks, self.done, self.n_actors = [], [], 2

    def add(self, task):
        self.tasks.append(task)

    @property
    def has_room(self):
        return len(self.tasks) < self.n_actors

    @property
    def n_open(self):
        return len(self.tasks)

    def wait(self, timeout_s):
        task = self.tasks.pop()  # the last first, so that rows become ready in another order
        self.done.append(task)
        if task.key in self.lost:
            return Finished(task, lost=True)
        return Finished(task, getattr(self.worker, task.method)(*task.arguments))


@pytest.mark.parametrize("lost", [(), ((1, 0),), ((0, "row"),)])
def test_lost_shares_and_crystals_are_made_up_for(tmp_path, monkeypatch, lost):
    monkeypatch.setattr(ray_batch, "MOST_ALONE", 2)
    mailbox = SimpleNamespace(send=lambda event: None, wait=lambda seconds: None, take=list)
    worker = ray_batch._Worker(VerifierSpec(f"{TOY}:copper", SETTINGS, tmp_path, model=None), mailbox)
    actors = Inline(worker, lost)
    first, second = ray_batch._Batch(actors, mailbox, lambda event: None).rows([COPPER, ALLOY])
    assert (first.id, second.id) == ("cu", "cu3au")
    assert first.outcome == ("failed" if (0, "row") in lost else "answered") and second.outcome == "answered"
    shares = [task for task in actors.done if task.method == "compute"]
    n_shared = sum(len(task.arguments[1]) for task in shares if task.key[0] == 1)
    assert n_shared < second.n_forces if (1, 0) in lost else n_shared == second.n_forces
    assert all(len(task.arguments[1]) >= ray_batch.SMALLEST_SHARE for task in shares if task.key[1] == 0)
    rows_of_alloy = sum(task.key == (1, "row") for task in actors.done)
    assert rows_of_alloy == (2 if (1, 0) in lost else 3)  # stopped for single atoms and for pairs; then all alone


def test_a_share_that_fails_is_left_to_the_crystal_itself(tmp_path):
    mailbox = SimpleNamespace(send=lambda event: None)
    worker = ray_batch._Worker(VerifierSpec(f"{TOY}:copper", SETTINGS, tmp_path, model=None), mailbox)
    assert worker.compute(tmp_path, [bulk("Si")]) is None
    (forces,) = worker.compute(tmp_path, [bulk("Cu")])
    assert np.allclose(forces, 0.0)
