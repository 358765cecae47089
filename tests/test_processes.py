from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from kappatune.processes import worker_pool

MODULE = "kappatune.screening.worker"


def greet(name: str) -> None:
    os.environ["GREETING"] = f"hello {os.environ[name]}"


def test_workers_see_the_environment_of_the_moment_and_run_their_initializer(monkeypatch):
    for name in ("first", "second"):
        monkeypatch.setenv("WORKER_NAME", name)
        with worker_pool(MODULE, 1, greet, ("WORKER_NAME",)) as pool:
            assert pool.submit(os.getenv, "GREETING").result() == f"hello {name}"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each worker imports what it needs itself")
def test_workers_share_one_process_that_has_imported_torch():
    parents = set()
    for _ in range(2):
        with worker_pool(MODULE, 1, greet, ("PATH",)) as pool:
            parents.add(pool.submit(os.getppid).result())
    (parent,) = parents
    assert parent != os.getpid()
    assert "libtorch_cpu" in Path(f"/proc/{parent}/maps").read_text()
