"""Memory and processor time of a process and its descendants, read from /proc (Linux)."""

from __future__ import annotations

import os
from pathlib import Path


def memory_mb(pid: int) -> float:
    """Resident memory of a process and its descendants, MB; shared pages are counted once for each."""
    return sum(int(stat[21]) for stat in _family(pid)) * os.sysconf("SC_PAGE_SIZE") / 1e6


def processor_seconds(pid: int) -> float:
    """Processor time of a process and its descendants so far, s."""
    return sum(int(stat[11]) + int(stat[12]) for stat in _family(pid)) / os.sysconf("SC_CLK_TCK")


def _family(pid: int) -> list[list[str]]:
    """The fields of `/proc/PID/stat` of a process and its descendants, from the state on."""
    stats: dict[int, list[str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stats[int(entry.name)] = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
    family = {pid}
    while grown := {one for one, stat in stats.items() if int(stat[1]) in family} - family:
        family |= grown
    return [stats[one] for one in family if one in stats]
