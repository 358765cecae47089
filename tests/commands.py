"""The command line in processes forked from one that has imported all it needs: imports are most of a command's time.

The fork runs the same `main` with arguments, environment, folder and files of its own, and leads a session of its own.
What the start of Python itself does is seen only by tests that start it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryDirectory
from typing import Any

_SERVER = """
import json, os, sys
import kappatune.cli, typer.rich_utils
for module in sys.argv[1:]:
    __import__(module)
for line in sys.stdin:
    request = json.loads(line)
    if (child := os.fork()) == 0:
        break
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    sys.exit()
os.setsid()
os.environ.clear()
os.environ.update(request["environment"])
os.chdir(request["folder"])
for number, (name, flags) in enumerate(zip(request["files"], (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY))):
    os.dup2(os.open(name, flags), number)
sys.stdin = open(0, closefd=False)
sys.argv[1:] = request["arguments"]
exec(request["patch"])
kappatune.cli.main()
"""

FORKED_WORKERS = """
import kappatune.processes, multiprocessing
kappatune.processes.worker_context = lambda module: multiprocessing.get_context("fork")
"""
"""A patch by which the workers of a command are forked from it, not from a process that has to import torch first."""


class Command:
    """A command that runs; its process id is that of its session."""

    def __init__(self, server: subprocess.Popen[str], folder: str, pid: int) -> None:
        self.server, self.folder, self.pid = server, Path(folder), pid

    def finished(self) -> CompletedProcess[str]:
        """The command once it has ended."""
        assert self.server.stdout is not None
        code = int(self.server.stdout.readline())
        texts = [(self.folder / name).read_bytes().decode() for name in ("out", "err")]
        return CompletedProcess(["kappatune"], code, *texts)


class Commands:
    """Runs commands, one at a time."""

    def __init__(self, server: subprocess.Popen[str], folder: str) -> None:
        self.server, self.folder = server, folder

    def start(
        self,
        *arguments: object,
        cwd: Path | None = None,
        stdin: str | None = None,
        env: dict[str, str] | None = None,
        patch: str = "",
    ) -> Command:
        """Start a command; `patch` is executed in its process first."""
        files = [Path(self.folder, name) for name in ("in", "out", "err")]
        for file, text in zip(files, (stdin or "", "", ""), strict=True):
            file.write_text(text)
        request: dict[str, Any] = {
            "arguments": [*map(str, arguments)],
            "environment": dict(os.environ) if env is None else env,
            "folder": str(cwd or Path.cwd()),
            "files": [*map(str, files)],
            "patch": patch,
        }
        assert self.server.stdin is not None and self.server.stdout is not None
        self.server.stdin.write(json.dumps(request) + "\n")
        self.server.stdin.flush()
        return Command(self.server, self.folder, int(self.server.stdout.readline()))

    def run(self, *arguments: object, **options: Any) -> CompletedProcess[str]:
        """Run a command as `subprocess.run` would, with what it printed as text."""
        return self.start(*arguments, **options).finished()


@contextmanager
def command_server(*modules: str) -> Iterator[Commands]:
    """A process that has imported the command line and modules, and from which commands are forked."""
    with TemporaryDirectory() as folder:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        server = subprocess.Popen(
            [sys.executable, "-c", _SERVER, *modules],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield Commands(server, folder)
        finally:
            server.communicate()
