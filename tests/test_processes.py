from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from kappatune.processes import map_in_processes, worker_context, worker_pool

MODULE = "kappatune.screening.worker"
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each worker imports what it needs itself")


def greet(name: str) -> None:
    os.environ["GREETING"] = f"hello {os.environ.get(name)}"


def one_worker():
    return worker_pool(MODULE, 1, greet, ("WORKER_NAME",))


def exit_if_odd(number: int) -> int:
    if number % 2:
        os._exit(1)
    return number


def test_workers_see_the_environment_of_the_moment_and_run_their_initializer(monkeypatch):
    for name in ("first", "second"):
        monkeypatch.setenv("WORKER_NAME", name)
        with one_worker() as pool:
            assert pool.submit(os.getenv, "GREETING").result() == f"hello {name}"
    monkeypatch.delenv("WORKER_NAME")
    with one_worker() as pool:
        assert pool.submit(os.getenv, "GREETING").result() == "hello None"


@linux_only
def test_workers_share_one_process_that_has_imported_torch():
    parents = set()
    for _ in range(2):
        with one_worker() as pool:
            parents.add(pool.submit(os.getppid).result())
    (parent,) = parents
    assert parent != os.getpid()
    assert "libtorch_cpu" in Path(f"/proc/{parent}/maps").read_text()


def ended(script: str, cwd: Path | None = None, **environment: str) -> str:
    """What a script prints that a Python process of its own runs."""
    process = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **environment},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


ASK_FOR_THREADS = """
from threadpoolctl import threadpool_info
from kappatune.processes import use_one_thread, worker_pool
if __name__ == "__main__":
    with worker_pool("torch", 1, use_one_thread, ()) as pool:
        pool.submit(exec, "import scipy.linalg").result()  # has a library of its own, which counts threads now
        print(sorted({library["num_threads"] for library in pool.submit(threadpool_info).result()}))
"""


def test_workers_have_one_thread_whatever_the_environment_says():
    assert ended(ASK_FOR_THREADS, OMP_NUM_THREADS="4") == "[1]\n"


ASK_A_WORKER = """
import sys
sys.path.remove("")  # as for an installed command
import os
from kappatune.processes import use_one_thread, worker_pool
def ask():
    with worker_pool("torch", 1, use_one_thread, ()) as pool:
        return pool.submit(abs, -7).result()
"""


def test_files_in_the_working_directory_are_not_imported(tmp_path):
    for name in ("random.py", "numpy.py", "torch.py"):
        (tmp_path / name).write_text("raise RuntimeError")
    assert ended(ASK_A_WORKER + "print(ask())", cwd=tmp_path) == "7\n"


def test_a_folder_for_temporary_files_may_have_a_long_name(tmp_path):
    """A socket's name has no more than 107 bytes."""
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    assert ended(ASK_A_WORKER + "print(ask())", TMPDIR=str(folder)) == "7\n"


def test_a_forked_process_can_have_workers_as_well():
    forked = "ask()\nif (child := os.fork()) == 0: os._exit(ask())\nprint(os.waitpid(child, 0)[1] >> 8)"
    assert ended(ASK_A_WORKER + forked) == "7\n"


def test_the_environment_stays_as_it_was_while_threads_start_workers(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = dict(os.environ)
    threads = [threading.Thread(target=lambda: [worker_context(MODULE) for _ in range(300)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dict(os.environ) == before


@linux_only
def test_workers_start_again_after_the_process_they_are_forked_from_was_killed():
    with one_worker() as pool:
        parent, worker = pool.submit(os.getppid).result(), pool.submit(os.getpid).result()
        os.kill(parent, signal.SIGKILL)
        os.kill(worker, signal.SIGKILL)
        for _ in range(2):  # while it ends, and when it has ended
            with pytest.raises(BrokenProcessPool):
                pool.submit(os.getppid).result()
    while " Z " not in Path(f"/proc/{parent}/stat").read_text():
        time.sleep(0.01)
    with one_worker() as pool:
        assert pool.submit(os.getppid).result() != parent


def test_a_script_may_come_from_stdin():
    read = f"import sys; exec(compile({ASK_A_WORKER + 'print(ask())'!r}, '<stdin>', 'exec'))"
    assert ended(f"__file__ = '<stdin>'; {read}") == "7\n"


NO_GUARD = """
from kappatune.processes import map_in_processes
list(map_in_processes(abs, [-7], 1, module="torch", initializer=int, initargs=(), on_crash=int))
"""


def test_a_script_whose_workers_would_start_workers_is_told(tmp_path):
    (tmp_path / "script.py").write_text(NO_GUARD)
    process = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True, check=False)
    assert process.returncode == 1 and "BadRequest: no worker process can start" in process.stderr


def test_a_crash_while_results_are_used_costs_no_other_result():
    results = []
    for result in map_in_processes(
        exit_if_odd, [0, 1, *range(2, 20, 2)], 1, module=MODULE, initializer=greet, initargs=("PATH",), on_crash=str
    ):
        results.append(result)
        if len(results) == 1:
            time.sleep(2)
    assert results == [0, "1", *range(2, 20, 2)]
