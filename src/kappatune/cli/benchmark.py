"""`kappatune benchmark`: a command of 0.1.0 that is no longer part of the package."""

from __future__ import annotations

from kappatune.cli.output import fail


def benchmark() -> None:
    """Say where the benchmark went."""
    fail(
        "the benchmark needs research tables and hours, so it left the package: "
        "run `python -m studies.transfer --data FOLDER` in a clone of the repository"
    )
