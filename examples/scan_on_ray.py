"""Scan on a Ray cluster: here one that starts on this machine, with two workers.

    python examples/scan_on_ray.py

Needs Ray (`pip install '.[ray]'` in a clone). On a real cluster, `ray="auto"` or `ray="HOST:6379"` joins it, and
sources and result must lie on storage that all nodes share: docs/scanning.md. Takes about half a minute.
"""

import tempfile
from importlib.util import find_spec
from pathlib import Path

import kappatune
from kappatune.storage import SHIPPED_TABLES


def main():
    """Scan a table that comes with kappatune, and rank the result."""
    if find_spec("ray") is None:
        print("Ray is not installed, so there is nothing to show: pip install '.[ray]' in a clone of kappatune")
        return
    with tempfile.TemporaryDirectory() as folder:
        scan = kappatune.screen(
            SHIPPED_TABLES["shipped:textbook"], Path(folder) / "scan", "fast", ray="local", workers=2
        )
        print(f"{scan.n_answered} of {scan.n_rows} crystals have an answer")
        for row in kappatune.rank(scan, n=5):
            print(f"{row.formula}: {row.kappa_w_mk:.3g} W/(m K)")


if __name__ == "__main__":
    main()
