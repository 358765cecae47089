"""`kappatune serve` as a user starts it, for timings, screenshots and tests."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

_CLI = [sys.executable, "-c", "from kappatune.cli import main; main()"]
_START_TIMEOUT_S = 300


class Server(NamedTuple):
    """A running server: its address and its process."""

    url: str
    pid: int


@contextmanager
def serving(*options: str) -> Iterator[Server]:
    """Start `kappatune serve` on a free port, and stop it afterwards.

    Raises:
        RuntimeError: It does not start.
    """
    process = subprocess.Popen([*_CLI, "serve", "--port", "0", *options], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    timer = threading.Timer(_START_TIMEOUT_S, process.kill)
    timer.start()
    lines = []
    try:
        for line in process.stderr:
            lines.append(line)
            if found := re.search(r"open (http://\S+?)/", line):
                break
        else:
            raise RuntimeError(f"the server did not start: {''.join(lines)}")
        timer.cancel()
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield Server(found[1], process.pid)
    finally:
        timer.cancel()
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
