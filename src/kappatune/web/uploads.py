"""Files as clients send them, and how large a file or a crystal may be."""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple

from kappatune.structures import Crystal, Rejection
from kappatune.structures.files import read_content
from kappatune.structures.text import printable
from kappatune.web.limits import Limits, RequestError

NAME_LENGTH = 160
"""Longest name of a file that is shown, in characters."""


class Upload(NamedTuple):
    """A file that a client sent.

    Attributes:
        name: What the client calls it, made printable; it is shown, and never used as a path.
        content: Its bytes.
    """

    name: str
    content: bytes

    @property
    def is_archive(self) -> bool:
        """Whether it is a ZIP archive, by its first bytes."""
        return self.content[:4] in (b"PK\x03\x04", b"PK\x05\x06")


def display_name(name: object) -> str:
    """A name that is safe to show: printable, one line, not too long; the end, with the extension, is kept."""
    text = "".join(c if c.isprintable() else " " for c in printable(str(name or ""))).strip()
    return text if len(text) <= NAME_LENGTH else f"{text[: NAME_LENGTH // 2]}…{text[-NAME_LENGTH // 2 + 1 :]}"


def read_upload(upload: Upload, limits: Limits) -> list[Crystal | Rejection]:
    """The crystals of a file, at most one more than a request may hold; one that is too large has a reason."""
    if len(upload.content) > limits.file_bytes:
        reason = f"the file is larger than {limits.file_bytes / 2**20:g} MiB: split it"
        return [Rejection(upload.name, reason, upload.name)]
    entries = islice(read_content(upload.content, upload.name, limits.file_bytes), limits.crystals + 1)
    return [entry if isinstance(entry, Rejection) else within_limits(entry, limits) for entry in entries]


def within_limits(crystal: Crystal, limits: Limits, cutoff: float = 6.0) -> Crystal | Rejection:
    """The crystal, or the reason why it is too large for a server that many people share.

    Args:
        crystal: The crystal.
        limits: Most atoms and neighbours.
        cutoff: Distance to the farthest neighbours, Å; their number is estimated from the density.
    """
    n = crystal.n_atoms
    if n > limits.atoms_per_crystal:
        reason = (
            f"the cell has {n:,} atoms and this server takes {limits.atoms_per_crystal:,}: "
            "give the primitive cell, or use `kappatune predict`"
        )
        return Rejection(crystal.id, reason, crystal.file, crystal.formula)
    neighbours = 4.19 * cutoff**3 * n / crystal.volume
    if n * neighbours > limits.bonds_per_crystal:
        reason = (
            f"its atoms have about {n * neighbours:,.0f} neighbours and this server takes "
            f"{limits.bonds_per_crystal:,}: check that the cell is in Å, or use `kappatune predict`"
        )
        return Rejection(crystal.id, reason, crystal.file, crystal.formula)
    return crystal


def too_many_crystals(limits: Limits) -> RequestError:
    """The error for more crystals than a request may hold."""
    advice = "send fewer at once, or use `kappatune screen`"
    return RequestError(413, f"one request may hold {limits.crystals:,} crystals: {advice}")


def too_many_files(limits: Limits) -> RequestError:
    """The error for more files than a request may hold."""
    advice = "send fewer at once, or use `kappatune screen`"
    return RequestError(413, f"one request may hold {limits.files:,} files: {advice}")
