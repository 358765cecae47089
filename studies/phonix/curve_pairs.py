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

STAGE_PAIRS = (
    *(("formation-energies", arm) for arm in ("minimum-kappa", "moduli", "semi-empirical", "prototypes", "slack")),
    *(("formation-energies-agl", arm) for arm in ("minimum-kappa-agl", "moduli-agl", "agl-again")),
    *(("slack", arm) for arm in ("moduli-slack", "agl-slack")),
    *(("agl-slack", arm) for arm in ("moduli-slack", "moduli-agl-slack")),
)
"""Networks without and with a stage other than AGL, or AGL with one seed and with another."""
