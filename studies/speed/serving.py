"""`kappatune serve` as a user starts it, for benchmarks and screenshots."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

_CLI = [sys.executable, "-c", "from kappatune.cli import main; main()"]
_BEGIN_S = 120


class Server(NamedTuple):
    """A running server: its address and its process."""

    url: str
    pid: int


@contextmanager
def serving(*options: str) -> Iterator[Server]:
    """Start `kappatune serve` at a free port, and end it.

    Raises:
        RuntimeError: It does not begin.
    """
    process = subprocess.Popen([*_CLI, "serve", "--port", "0", *options], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    timer = threading.Timer(_BEGIN_S, process.kill)
    timer.start()
    said = []
    try:
        for line in process.stderr:
            said.append(line)
            if found := re.search(r"open (http://\S+?)/", line):
                break
        else:
            raise RuntimeError(f"the server did not begin: {''.join(said)}")
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
