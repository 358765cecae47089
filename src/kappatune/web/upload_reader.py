"""Processes that read uploads, and can be killed.

A hostile or broken file can keep a parser busy for minutes, use gigabytes or crash it. Each file is therefore read in
a process with a memory limit. When its time is up, or the client has gone, the process is killed and replaced.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessPool

from kappatune.processes import exit_with_parent
from kappatune.structures import Crystal, Rejection
from kappatune.structures.files import read_content
from kappatune.web.archives import unpack_archive
from kappatune.web.limits import Limits, RequestError
from kappatune.web.uploads import Upload, read_upload, too_many_crystals

Result = TypeVar("Result")

_log = logging.getLogger(__name__)

_GRACE_S = 1.0


class UploadReader:
    """The processes that read uploads.

    Attributes:
        limits: What a file may take.
    """

    def __init__(self, limits: Limits, processes: int | None = None) -> None:
        self.limits = limits
        self.processes = processes or max(2, min(8, os.cpu_count() or 1))
        self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPool:
        return ProcessPool(
            max_workers=self.processes,
            context=get_context("spawn"),
            initializer=_start_process,
            initargs=(self.limits.parse_memory_bytes,),
        )

    async def warm_up(self) -> None:
        """Let every process import what it needs."""
        await asyncio.gather(*(self._call(_nothing, None) for _ in range(2 * self.processes)))

    async def read(self, upload: Upload) -> list[Crystal | Rejection]:
        """The crystals of a file. Whatever goes wrong is an entry with its reason.

        Raises:
            RequestError: It holds more crystals than a request may.
        """
        try:
            entries = await self._call(read_upload, upload, self.limits)
        except TimeoutError:
            reason = f"reading the file took more than {self.limits.parse_s:g} s: simplify the file"
            return [Rejection(upload.name, reason, upload.name)]
        except Exception as error:
            if not isinstance(error, ProcessExpired | MemoryError):
                _log.exception("reading %r failed", upload.name)
            reason = "reading the file crashed the worker process: the file is too large or harmful"
            return [Rejection(upload.name, reason, upload.name)]
        if len(entries) > self.limits.crystals:
            raise too_many_crystals(self.limits)
        return entries

    async def unpack(self, upload: Upload, n_files: int, n_bytes: int) -> list[Upload | Rejection]:
        """The files of an archive.

        Args:
            upload: The archive.
            n_files: How many files it may hold.
            n_bytes: How many bytes these may have together.

        Raises:
            RequestError: It holds more, or a file inflates more than structure files do.
        """
        try:
            found = await self._call(unpack_archive, upload, self.limits, n_files, n_bytes)
        except Exception:
            _log.exception("unpacking %r failed", upload.name)
            return [Rejection(upload.name, "the archive cannot be unpacked: send the files themselves", upload.name)]
        if isinstance(found, str):
            raise RequestError(413, found)
        return found

    async def _call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call a function in a process; retry once if the pool broke, as it does when an idle process is killed."""
        try:
            return await self._call_once(function, *arguments)
        except BrokenProcessPool:
            return await self._call_once(function, *arguments)

    async def _call_once(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call a function in a process; if this is cancelled, a process that does not finish soon is killed."""
        if not self._pool.active:
            self._pool = self._new_pool()
        future = self._pool.submit(function, self.limits.parse_s, *arguments)
        try:
            return await asyncio.shield(asyncio.wrap_future(future))
        except asyncio.CancelledError:
            if future.running():
                asyncio.get_running_loop().call_later(_GRACE_S, future.cancel)
            else:
                future.cancel()
            raise

    def close(self) -> None:
        """Stop the processes."""
        self._pool.stop()
        self._pool.join()


def _start_process(memory_bytes: int) -> None:
    exit_with_parent()
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError, OSError):
        pass  # this system cannot limit memory; time is limited all the same
    list(read_content(_SMALLEST_CIF, "warm-up.cif"))


_SMALLEST_CIF = b"""data_X
_cell_length_a 3
_cell_length_b 3
_cell_length_c 3
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Po 0 0 0
"""


def _nothing(_: None) -> None:
    return None
