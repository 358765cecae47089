"""Uploads to crystals, in processes of their own that may be killed.

What strangers send can take a parser minutes, gigabytes or its life. A process with a limit on its memory reads one
file at a time; when the time is up, or whoever asked has gone, it is ended and another takes its place.
"""

from __future__ import annotations

import asyncio
import logging
import os
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from io import BytesIO
from itertools import islice
from multiprocessing import get_context
from pathlib import PurePosixPath
from typing import Any, NamedTuple, TypeVar

from pebble import ProcessExpired, ProcessPool

from kappatune.processes import exit_with_parent
from kappatune.structures import Crystal, Rejection
from kappatune.structures.files import read_content
from kappatune.structures.text import printable
from kappatune.web.limits import Limits, Refusal

Answer = TypeVar("Answer")

_log = logging.getLogger(__name__)

NAME_LENGTH = 160
_GRACE_S = 1.0
_CHUNK = 2**16
_SMALL = 2**20
_ARCHIVE_NOISE = ("__MACOSX", ".DS_Store", "Thumbs.db")


class Upload(NamedTuple):
    """A file as it came.

    Attributes:
        name: What the client calls it, made harmless; shown, and never used as a path.
        content: Its bytes.
    """

    name: str
    content: bytes

    @property
    def is_archive(self) -> bool:
        """Whether it is a ZIP archive, by its first bytes."""
        return self.content[:4] in (b"PK\x03\x04", b"PK\x05\x06")


def display_name(name: object) -> str:
    """A name that can be shown: printable, one line, not too long; its end, which tells the kind, is kept."""
    text = "".join(c if c.isprintable() else " " for c in printable(str(name or ""))).strip()
    return text if len(text) <= NAME_LENGTH else f"{text[: NAME_LENGTH // 2]}…{text[-NAME_LENGTH // 2 + 1 :]}"


class Reader:
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
            initializer=_begin,
            initargs=(self.limits.parse_memory_bytes,),
        )

    async def warm_up(self) -> None:
        """Let every process import what it needs."""
        await asyncio.gather(*(self._do(_nothing, None) for _ in range(2 * self.processes)))

    async def read(self, upload: Upload) -> list[Crystal | Rejection]:
        """The crystals of a file. Whatever goes wrong is an entry with its reason.

        Raises:
            Refusal: It holds more crystals than a request may.
        """
        try:
            entries = await self._do(_read, upload, self.limits)
        except TimeoutError:
            reason = f"reading it took more than {self.limits.parse_s:g} s: simplify the file"
            return [Rejection(upload.name, reason, upload.name)]
        except Exception as error:
            if not isinstance(error, ProcessExpired | MemoryError):
                _log.exception("reading %r failed", upload.name)
            reason = "reading it ended the worker process: the file is too large or harmful"
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
            Refusal: It holds more, or inflates more than files do.
        """
        try:
            found = await self._do(_unpack, upload, self.limits, n_files, n_bytes)
        except Exception:
            _log.exception("unpacking %r failed", upload.name)
            return [Rejection(upload.name, "the archive cannot be unpacked: send the files themselves", upload.name)]
        if isinstance(found, str):
            raise Refusal(413, found)
        return found

    async def _do(self, function: Callable[..., Answer], *arguments: Any) -> Answer:
        """Call a function in a process, and once more if the pool broke, as it does when an idle process is killed."""
        try:
            return await self._once(function, *arguments)
        except BrokenProcessPool:
            return await self._once(function, *arguments)

    async def _once(self, function: Callable[..., Answer], *arguments: Any) -> Answer:
        """Call a function in a process; when this is cancelled, the process is ended if it does not end soon."""
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
        """End the processes."""
        self._pool.stop()
        self._pool.join()


def too_many_crystals(limits: Limits) -> Refusal:
    """The answer to more crystals than a request may hold."""
    advice = "send fewer at once, or use `kappatune screen`"
    return Refusal(413, f"one request may hold {limits.crystals:,} crystals: {advice}")


def too_many_files(limits: Limits) -> Refusal:
    """The answer to more files than a request may hold."""
    return Refusal(413, f"one request may hold {limits.files:,} files: send fewer at once, or use `kappatune screen`")


def _begin(memory_bytes: int) -> None:
    exit_with_parent()
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError, OSError):
        pass  # this system limits no address space; time is limited all the same
    list(read_content(_SMALLEST_CIF, "begin.cif"))


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


def _read(upload: Upload, limits: Limits) -> list[Crystal | Rejection]:
    if len(upload.content) > limits.file_bytes:
        reason = f"the file has more than {limits.file_bytes / 2**20:g} MiB: split it"
        return [Rejection(upload.name, reason, upload.name)]
    entries = islice(read_content(upload.content, upload.name), limits.crystals + 1)
    return [_bounded(entry, limits) for entry in entries]


def _bounded(entry: Crystal | Rejection, limits: Limits) -> Crystal | Rejection:
    return entry if isinstance(entry, Rejection) else bounded(entry, limits)


def bounded(crystal: Crystal, limits: Limits, cutoff: float = 6.0) -> Crystal | Rejection:
    """The crystal, or why it is too large for a server that many share."""
    n = crystal.n_atoms
    if n > limits.atoms_per_crystal:
        reason = (
            f"the cell has {n:,} atoms, this server takes {limits.atoms_per_crystal:,}: "
            "give the primitive cell, or use `kappatune predict`"
        )
        return Rejection(crystal.id, reason, crystal.file, crystal.formula)
    neighbours = 4.19 * cutoff**3 * n / crystal.volume
    if n * neighbours > limits.bonds_per_crystal:
        reason = (
            f"its atoms have about {n * neighbours:,.0f} neighbours, this server takes "
            f"{limits.bonds_per_crystal:,}: check the unit of the cell (Å), or use `kappatune predict`"
        )
        return Rejection(crystal.id, reason, crystal.file, crystal.formula)
    return crystal


def _unpack(upload: Upload, limits: Limits, n_files: int, n_bytes: int) -> list[Upload | Rejection] | str:
    """Files of an archive, or in a sentence why it holds too much. Sizes are counted, not believed."""
    too_much = f"the archives of one request may hold {limits.inflated_bytes / 2**20:g} MiB: send fewer files"
    found: list[Upload | Rejection] = []
    try:
        with zipfile.ZipFile(BytesIO(upload.content)) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and not _is_noise(m.filename)]
            if len(members) > n_files:
                return str(too_many_files(limits))
            for member in members:
                name = display_name(member.filename)
                if member.flag_bits & 1:
                    found.append(Rejection(name, "it is encrypted: unpack it and send the file", name))
                    continue
                content = _inflate(archive, member, min(n_bytes, limits.file_bytes) + 1)
                if len(content) > _SMALL and len(content) > limits.inflation * max(member.compress_size, 1):
                    return f"{name} inflates more than {limits.inflation} times: send it unpacked"
                n_bytes -= len(content)
                if n_bytes < 0:
                    return too_much
                if content[:4] == b"PK\x03\x04":
                    found.append(Rejection(name, "an archive inside an archive is not read: unpack it", name))
                else:
                    found.append(Upload(name, content))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        said = str(error)[:120] or type(error).__name__
        found.append(Rejection(upload.name, f"the ZIP archive is damaged ({said}): pack it again", upload.name))
    return found or [Rejection(upload.name, "the archive holds no file: send structure files", upload.name)]


def _inflate(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> bytes:
    """At most so many bytes of a file of an archive."""
    pieces, total = [], 0
    with archive.open(member) as file:
        while total < most and (piece := file.read(min(_CHUNK, most - total))):
            pieces.append(piece)
            total += len(piece)
    return b"".join(pieces)


def _is_noise(name: str) -> bool:
    """What operating systems add to archives."""
    return any(part in _ARCHIVE_NOISE or part.startswith("._") for part in PurePosixPath(name).parts)
