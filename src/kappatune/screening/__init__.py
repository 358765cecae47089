"""Scans of whole databases: screen, rank, suggest, report.

>>> from kappatune.screening import rank, report, screen, suggest
>>> scan = screen("structures/", "my-scan")
>>> rank(scan, n=10)
>>> suggest(scan, n=20)
>>> report(scan)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kappatune.screening.cifs import write_cifs
    from kappatune.screening.query import BadScan
    from kappatune.screening.ranked_crystal import RankedCrystal
    from kappatune.screening.ranking import rank
    from kappatune.screening.reporting.report import report
    from kappatune.screening.scan import ScanResult, screen
    from kappatune.screening.settings import BadRequest
    from kappatune.screening.suggestions import Suggestion, suggest

__all__ = [
    "BadRequest",
    "BadScan",
    "RankedCrystal",
    "ScanResult",
    "Suggestion",
    "rank",
    "report",
    "screen",
    "suggest",
    "write_cifs",
]

_MODULES = {
    "BadRequest": "settings",
    "BadScan": "query",
    "RankedCrystal": "ranked_crystal",
    "ScanResult": "scan",
    "Suggestion": "suggestions",
    "rank": "ranking",
    "report": "reporting.report",
    "screen": "scan",
    "suggest": "suggestions",
    "write_cifs": "cifs",
}
"""Module of each name. No module has the name of a verb, because importing it would hide the verb."""


def __getattr__(name: str) -> Any:
    """Import on first use: the workers of a scan and the command line need only part of the package."""
    if name not in _MODULES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
