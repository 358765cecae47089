"""Names of the files in a scan's folder. Readers of the rows pass over those that begin with an underscore or a dot."""

from __future__ import annotations

import os
from pathlib import Path

SCAN_INFO = "_scan.json"
"""Model and sources; written first."""

FETCHED = "_fetched"
"""Folder of the pages of remote sources, so that a resumed scan requests no page twice."""

PARTS = "part-*.parquet"

MANIFEST = "_manifest.json"
"""Counts and versions; written last, so a scan without it is unfinished."""


def scan_is_complete(folder: str | os.PathLike[str]) -> bool:
    """Whether the scan in a folder has finished; an unfinished one can be ranked and reported all the same."""
    return (Path(folder) / MANIFEST).is_file()
