"""Which crystals `verify` is calibrated on, by which potential and quality, and in which order they are computed.

Drawn from `phonix.parquet`: crystals of at most eight atoms in the primitive cell that need at most 400 force
calculations at quality `quick`. Kinds of crystals (anonymous formula, space group, atoms in the primitive cell) come in
an order drawn with a seed, one crystal of each kind after the other, at most six of a kind. Then come the binaries of
L96 that `verify_l96` draws.

The draw is cut into stages of 30 crystals. A stage is first computed with Nequix at `quick`, every second crystal with
SevenNet-0 and every fourth with two more potentials too, then every third with Nequix at `standard`. Within ten
crystals that follow each other the cheapest is computed first: whenever the run is stopped, all but a few of the
crystals drawn so far are done, dear ones among them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow.parquet as pq
from pymatgen.core import Composition

from kappatune.errors import UserError
from kappatune.storage import write_text
from kappatune.structures import Crystal, Rejection
from kappatune.structures.table import crystal_of_row
from kappatune.verification import VerifySettings
from kappatune.verification.prepare import prepare
from kappatune.verification.settings import Quality
from kappatune.verification.standard_cell import standardise
from studies.phonons.verify_l96 import chosen_binaries
from studies.research_data import PHONIX

SEED = 20261125
MAX_ATOMS = 8
N_PER_KIND = 6
MAX_FORCES = 400
STAGE, BLOCK = 30, 10
BINARIES_EACH = 9
"""Crystals of each prototype of L96."""

QUICK = VerifySettings.of("quick", wigner=True)
PotentialName = Literal["nequix-mp-1-pft", "nequix-oam-1-pft", "SevenNet-0", "SevenNet-l3i5"]
NEQUIX: PotentialName = "nequix-mp-1-pft"
NEQUIX_OAM: PotentialName = "nequix-oam-1-pft"
SEVENNET: PotentialName = "SevenNet-0"
SEVENNET_L3I5: PotentialName = "SevenNet-l3i5"
Source = Literal["phonix", "l96"]

PASSES: tuple[tuple[PotentialName, Quality, int], ...] = (
    (NEQUIX, "quick", 1),
    (SEVENNET, "quick", 2),
    (NEQUIX_OAM, "quick", 4),
    (SEVENNET_L3I5, "quick", 4),
    (NEQUIX, "standard", 3),
)
"""Potential, quality, and which share of the crystals: all, every second, fourth or third. The binaries of L96 are for
the first two alone."""


@dataclass(frozen=True)
class Task:
    """One value to compute.

    Attributes:
        crystal: The crystal as it is in its table.
        source: The table that has its DFT value.
        potential: The potential.
        quality: The quality.
    """

    crystal: Crystal
    source: Source
    potential: PotentialName
    quality: Quality


def tasks(folder: Path, work: Path, limit: int) -> Iterator[Task]:
    """All values to compute, in order.

    Args:
        folder: Research tables.
        work: Folder that keeps the draw, which takes minutes.
        limit: Number of crystals of Phonix.
    """
    chosen = drawn(folder / PHONIX, work / "draw.json", limit)
    stages: list[tuple[Source, list[tuple[Crystal, int]]]] = [
        ("phonix", chosen[start : start + STAGE]) for start in range(0, len(chosen), STAGE)
    ]
    stages.insert(1, ("l96", [(crystal, 1) for crystal, *_ in chosen_binaries(folder / "l96.parquet", BINARIES_EACH)]))
    for source, stage in stages:
        for potential, quality, share in PASSES:
            if source == "l96" and share > 2:
                continue
            for k in cheapest_first([cost for _, cost in stage], share):
                yield Task(stage[k][0], source, potential, quality)


def cheapest_first(costs: Sequence[float], share: int) -> list[int]:
    """Positions of every `share`-th of some crystals, block by block, the cheapest of each block first."""
    order = []
    for start in range(0, len(costs), BLOCK):
        block = [k for k in range(start, min(start + BLOCK, len(costs))) if k % share == 0]
        order += sorted(block, key=lambda k: costs[k])
    return order


def drawn(table: Path, kept: Path, limit: int) -> list[tuple[Crystal, int]]:
    """The first crystals of the draw, each with its cost: force calculations times atoms of the supercell.

    Args:
        table: `phonix.parquet`.
        kept: File where ids and costs are kept between runs.
        limit: How many.
    """
    rows = pq.read_table(table).to_pylist()
    crystals = {}
    for number, row in enumerate(rows, 1):
        crystal = crystal_of_row(row, number, table)
        if not isinstance(crystal, Rejection):
            crystals[crystal.id] = crystal
    costs: dict[str, int | None] = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    if sum(cost is not None for cost in costs.values()) < limit:
        for crystal in _shuffled(list(crystals.values())):
            if crystal.id not in costs:
                costs[crystal.id] = _cost(crystal)
                write_text(kept, json.dumps(costs))
            if sum(cost is not None for cost in costs.values()) == limit:
                break
    affordable = [(crystals[name], cost) for name, cost in costs.items() if cost is not None]
    return affordable[:limit]


def _shuffled(crystals: Sequence[Crystal]) -> list[Crystal]:
    kinds: dict[tuple[str, int, int], list[Crystal]] = {}
    for crystal in crystals:
        try:
            standard = standardise(crystal, QUICK.symprec)
        except UserError:
            continue
        if len(standard.primitive) <= MAX_ATOMS:
            kind = (Composition(crystal.formula_key).anonymized_formula, standard.space_group, len(standard.primitive))
            kinds.setdefault(kind, []).append(crystal)
    rng = np.random.default_rng(SEED)
    names = sorted(kinds)
    shuffled = [kinds[names[k]] for k in rng.permutation(len(names))]
    chosen = [[crystals[k] for k in rng.permutation(len(crystals))[:N_PER_KIND]] for crystals in shuffled]
    return [crystals[rank] for rank in range(N_PER_KIND) for crystals in chosen if rank < len(crystals)]


def _cost(crystal: Crystal) -> int | None:
    """Force calculations times atoms of the supercell; None if too many are needed."""
    try:
        prepared = prepare(standardise(crystal, QUICK.symprec), QUICK)
    except UserError:
        return None
    return prepared.n_forces * len(prepared.phono3py.supercell) if prepared.n_forces <= MAX_FORCES else None
