"""Arms of the learning curves without and with something known beforehand."""

from __future__ import annotations

from itertools import chain

SENTENCES = (
    (("trees", "trees-agl"), ("process", "process-agl")),
    (("nothing", "formation-energies"),),
    (("nothing", "agl"),),
    (("nothing", "formation-energies-agl"), ("formation-energies", "formation-energies-agl")),
    (("formation-energies", "physics"),),
)
"""Pairs of arms that one sentence is about."""

PAIRS = tuple(chain.from_iterable(SENTENCES))
