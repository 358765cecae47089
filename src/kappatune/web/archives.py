"""ZIP archives that clients send: sizes are counted while unpacking, not taken from the archive's headers."""

from __future__ import annotations

import zipfile
import zlib
from io import BytesIO
from pathlib import PurePosixPath

from kappatune.structures import Rejection
from kappatune.web.limits import Limits
from kappatune.web.uploads import Upload, display_name, too_many_files

_CHUNK = 2**16
_SMALL = 2**20
_SYSTEM_FILES = ("__MACOSX", ".DS_Store", "Thumbs.db")


def unpack_archive(upload: Upload, limits: Limits, n_files: int, n_bytes: int) -> list[Upload | Rejection] | str:
    """The files of an archive.

    Args:
        upload: The archive.
        limits: What a request may hold.
        n_files: Most files.
        n_bytes: Most bytes of all files together.

    Returns:
        The files, each that cannot be unpacked with its reason; or a sentence that says why the archive holds too
        much.
    """
    found: list[Upload | Rejection] = []
    try:
        with zipfile.ZipFile(BytesIO(upload.content)) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and not _is_system_file(m.filename)]
            if len(members) > n_files:
                return str(too_many_files(limits))
            for member in members:
                name = display_name(member.filename)
                if member.flag_bits & 1:
                    found.append(Rejection(name, "the file is encrypted: decrypt it and send it again", name))
                    continue
                content = _inflate(archive, member, min(n_bytes, limits.file_bytes) + 1)
                if len(content) > _SMALL and len(content) > limits.inflation * max(member.compress_size, 1):
                    return f"{name} inflates more than {limits.inflation} times: send it unpacked"
                n_bytes -= len(content)
                if n_bytes < 0:
                    most = f"{limits.inflated_bytes / 2**20:g} MiB"
                    return f"the archives of one request may hold {most}: send fewer files"
                if content[:4] == b"PK\x03\x04":
                    found.append(Rejection(name, "an archive inside an archive is not read: unpack it", name))
                else:
                    found.append(Upload(name, content))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        detail = str(error)[:120] or type(error).__name__
        found.append(Rejection(upload.name, f"the ZIP archive is damaged ({detail}): pack it again", upload.name))
    return found or [Rejection(upload.name, "the archive is empty: send structure files", upload.name)]


def _inflate(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> bytes:
    """The first bytes of a file of an archive, at most so many."""
    pieces, total = [], 0
    with archive.open(member) as file:
        while total < most and (piece := file.read(min(_CHUNK, most - total))):
            pieces.append(piece)
            total += len(piece)
    return b"".join(pieces)


def _is_system_file(name: str) -> bool:
    """Whether this is a file that operating systems add to archives."""
    return any(part in _SYSTEM_FILES or part.startswith("._") for part in PurePosixPath(name).parts)
