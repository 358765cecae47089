"""Writes the report of a scan."""

from __future__ import annotations

import os
from pathlib import Path

from kappatune.screening.reporting.page import page
from kappatune.screening.reporting.queries import overview_of
from kappatune.storage import write_text


def report(scan: str | os.PathLike[str], out: str | os.PathLike[str] | None = None) -> Path:
    """Write a report on a scan: one HTML file that any browser opens, without a network.

    It shows how many crystals have an answer and why others have none, how kappa is distributed, how it varies with
    mass, number of atoms and elements, and the crystals with the lowest and the highest values.

    Args:
        scan: Folder of a scan, complete or not, or the result of `screen`.
        out: File to write; by default `_report.html` in the folder.

    Returns:
        The file.

    Raises:
        kappatune.screening.query.BadScan: There is no readable scan in the folder.
        OSError: The file cannot be written.

    Examples:
        >>> from kappatune import report
        >>> report("my-scan")
        PosixPath('my-scan/_report.html')
    """
    path = Path(scan) / "_report.html" if out is None else Path(out)
    write_text(path, page(overview_of(scan)))
    return path
