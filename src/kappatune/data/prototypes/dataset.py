"""The data set: parts of compositions, computed in parallel, one Parquet file each.

Part 0 holds the elements, whose energies the others refer to. A part is written when it is complete, so a run that was
stopped goes on with the parts that are missing. What was dropped, and why, stands in the metadata of each file.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kappatune.data.prototypes.chemistry import ELEMENTS, Candidate, candidates
from kappatune.data.prototypes.compete import Outcome, compete, row_of
from kappatune.errors import UserError
from kappatune.potentials import Potential, load_potential
from kappatune.processes import exit_with_parent, use_one_thread

PART_SIZE = 50
"""Compositions of a part."""

_METADATA = b"kappatune"
_VECTOR = pa.list_(pa.float64())
_FLOATS = (
    "volume_per_atom",
    "kappa_w_mk_300k",
    "energy_per_atom_ev",
    "formation_energy_ev_per_atom",
    "energy_above_best_ev_per_atom",
    "debye_temperature_k",
    "gruneisen",
    "bulk_modulus_gpa",
    "poisson_ratio",
    "heat_capacity_v",
    "thermal_expansion_per_k",
)
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("id", "formula", "prototype", "prototype_name", "fidelity", "source")),
        ("spacegroup", pa.int32()),
        ("n_sites", pa.int32()),
        ("n_competing", pa.int32()),
        ("lattice", pa.list_(_VECTOR)),
        ("species", pa.list_(pa.string())),
        ("frac_coords", pa.list_(_VECTOR)),
        *((name, pa.float64()) for name in _FLOATS),
    ]
)


class BadDataset(UserError):
    """The data set in the folder does not fit, or the elements are missing."""


@dataclass(frozen=True)
class Summary:
    """What a data set holds.

    Attributes:
        n_compositions: Compositions tried.
        n_crystals: Crystals kept.
        potential: Name and version of the potential.
        dropped: How many crystals (or whole compositions) were dropped for each reason.
    """

    n_compositions: int
    n_crystals: int
    potential: str
    dropped: dict[str, int]


def compute_dataset(
    folder: Path, potential: str, n_parts: int, workers: int, say: Callable[[str], None] = lambda _: None
) -> Summary:
    """Compute the first parts of the data set, those that are there already left as they are.

    Args:
        folder: Where the parts go.
        potential: As `load_potential` takes it.
        n_parts: Parts in all, that of the elements not counted.
        workers: Processes, each with a potential of its own on one thread.
        say: Receives a line per part.

    Raises:
        BadDataset: The parts in the folder were made with another potential.
        kappatune.potentials.BadPotential: The potential cannot be loaded.
        OSError: The disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = str(load_potential(potential))
    made = {json.loads(_metadata(path))["potential"] for path in _parts(folder)}
    if made - {name}:
        raise BadDataset(
            f"{folder}: its parts were made with {', '.join(sorted(made))}: give another folder for {name}"
        )
    order = candidates()
    first = list(islice(order, len(ELEMENTS)))
    with ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_start, initargs=(potential,)
    ) as pool:
        elements = _part(folder, 0)
        if not elements.is_file():
            outcomes = list(pool.map(_compete_here, first, [{}] * len(first)))
            _write(elements, name, first, outcomes)
            say(f"elements: {sum(len(o.entries) for o in outcomes)} crystals")
        energies = {int(z): energy for z, energy in json.loads(_metadata(elements))["elements_ev"].items()}
        waiting = {}
        for index in range(1, n_parts + 1):
            chosen = list(islice(order, PART_SIZE))
            if chosen and not _part(folder, index).is_file():
                waiting[pool.submit(_write_part_here, _part(folder, index), chosen, energies)] = index
        for future in as_completed(waiting):
            say(f"part {waiting[future]}: {future.result()} crystals of {PART_SIZE} compositions")
    return summary(folder)


def summary(folder: Path) -> Summary:
    """Add up what the parts of a folder say of themselves.

    Raises:
        BadDataset: There are none.
    """
    parts = [json.loads(_metadata(path)) for path in _parts(folder)]
    if not parts:
        raise BadDataset(f"{folder}: no parts of a data set")
    dropped: Counter[str] = Counter()
    for part in parts:
        for reason, number in part["dropped"].items():
            dropped[_kind(reason)] += number
    return Summary(
        n_compositions=sum(part["n_compositions"] for part in parts),
        n_crystals=sum(part["n_crystals"] for part in parts),
        potential=parts[0]["potential"],
        dropped=dict(dropped.most_common()),
    )


def _parts(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.glob("part-*.parquet"))


def _part(folder: Path, index: int) -> Path:
    return folder / f"part-{index:03d}.parquet"


def _metadata(path: Path) -> bytes:
    return pq.read_schema(path).metadata[_METADATA]


def _write(path: Path, potential: str, tried: list[Candidate], outcomes: list[Outcome]) -> int:
    rows = [row_of(entry, potential) for outcome in outcomes for entry in outcome.entries]
    about: dict[str, Any] = {
        "potential": potential,
        "kappatune": version("kappatune"),
        "n_compositions": len(tried),
        "n_crystals": len(rows),
        "dropped": Counter(_kind(reason) for outcome in outcomes for _, reason in outcome.dropped),
    }
    if tried[0].bonding == "element":
        about["elements_ev"] = {
            candidate.composition[0][0]: outcome.lowest_ev
            for candidate, outcome in zip(tried, outcomes, strict=True)
            if outcome.lowest_ev is not None
        }
    table = pa.Table.from_pylist(rows, SCHEMA.with_metadata({_METADATA: json.dumps(about)}))
    partial = path.with_suffix(".partial")
    pq.write_table(table, partial, compression="zstd")
    os.replace(partial, path)
    return len(rows)


def _kind(reason: str) -> str:
    """A reason without what is special to one crystal."""
    return reason.partition(":")[0].partition(" (")[0].partition(" is ")[0]


def _compete_here(candidate: Candidate, energies: dict[int, float]) -> Outcome:
    try:
        return compete(candidate, _here[0], energies)
    except Exception as error:  # one composition never stops the others
        return Outcome(dropped=[("all", f"failed unexpectedly: {candidate.formula}: {type(error).__name__}: {error}")])


def _write_part_here(path: Path, chosen: list[Candidate], energies: dict[int, float]) -> int:
    return _write(path, str(_here[0]), chosen, [_compete_here(candidate, energies) for candidate in chosen])


_here: list[Potential] = []


def _start(potential: str) -> None:
    exit_with_parent()
    use_one_thread()
    _here.append(load_potential(potential))
