"""Crystals that come with the package."""

from __future__ import annotations

import random
from collections.abc import Iterator

from pymatgen.core import Structure

from kappatune.storage import ASSETS
from kappatune.structures import Crystal, read_crystals

PROTOTYPES = 30
SEED = 20261126


def shipped_structures() -> Iterator[tuple[str, Structure]]:
    """The textbook crystals, and a seeded choice of the prototypes."""
    textbook = list(read_crystals([ASSETS / "textbook"]))
    prototypes = list(read_crystals(sorted((ASSETS / "prototypes" / "agl").glob("*.parquet"))))
    chosen = random.Random(SEED).sample(prototypes, PROTOTYPES)
    for folder, entries in (("textbook", textbook), ("prototypes", chosen)):
        for entry in entries:
            if isinstance(entry, Crystal):
                yield f"{folder}/{entry.id}", entry.to_pymatgen()
