"""The data set: parts of compositions, computed in parallel, one Parquet file each.

Part 0 holds the elements, to which the energies of the others refer. A part is written when it is complete, so a run
that was stopped continues with the missing parts. The metadata of each file records what was dropped and why.
"""

from __future__ import annotations

import json
import multiprocessing
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kappatune.data.prototypes.competition import CompositionResult, compute_composition
from kappatune.data.prototypes.compositions import ELEMENTS, CandidateComposition, candidate_compositions
from kappatune.data.prototypes.rows import SCHEMA, row_of
from kappatune.errors import UserError
from kappatune.potentials import Potential, load_potential
from kappatune.processes import exit_with_parent, use_one_thread
from kappatune.progress import Event, OnProgress, ignore
from kappatune.storage import atomic_path

PART_SIZE = 50
"""Compositions of a part."""

_METADATA = b"kappatune"


class BadDataset(UserError):
    """The folder has no data set, or one that was made with another potential."""


@dataclass(frozen=True)
class DatasetSummary:
    """What a data set holds.

    Attributes:
        n_compositions: Compositions tried.
        n_crystals: Crystals in the data set.
        potential: Name and version of the potential.
        dropped: How many crystals (or whole compositions) were dropped for each reason.
    """

    n_compositions: int
    n_crystals: int
    potential: str
    dropped: dict[str, int]


@dataclass(frozen=True)
class PartFinished(Event):
    """A part is written.

    Attributes:
        part: Its number; 0 is that of the elements.
        n_crystals: Crystals in it.
        n_compositions: Compositions tried.
    """

    part: int
    n_crystals: int
    n_compositions: int

    def __str__(self) -> str:
        """One line."""
        name = f"part {self.part}" if self.part else "elements"
        return f"{name}: {self.n_crystals} crystals of {self.n_compositions} compositions"


def compute_dataset(
    folder: Path, calculator: str, n_parts: int, workers: int, on_progress: OnProgress = ignore
) -> DatasetSummary:
    """Compute the first parts of the data set; those that are there already stay as they are.

    Args:
        folder: Where the parts go.
        calculator: Potential, as `load_potential` takes it.
        n_parts: Number of parts, without that of the elements.
        workers: Processes, each with its own potential on one thread.
        on_progress: Called with a `PartFinished` for each new part.

    Raises:
        BadDataset: The parts in the folder were made with another potential.
        BadPotential: The potential cannot be loaded.
        OSError: A part cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    potential = str(load_potential(calculator))
    others = {json.loads(_metadata(path))["potential"] for path in _parts(folder)} - {potential}
    if others:
        raise BadDataset(
            f"{folder}: its parts were made with {', '.join(sorted(others))}: give another folder for {potential}"
        )
    order = candidate_compositions()
    elements = list(islice(order, len(ELEMENTS)))
    with ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_start_worker, initargs=(calculator,)
    ) as pool:
        first = _part(folder, 0)
        if not first.is_file():
            results = list(pool.map(_compute_in_worker, elements, [{}] * len(elements)))
            on_progress(PartFinished(0, _write(first, potential, elements, results), len(elements)))
        energies = {int(z): energy for z, energy in json.loads(_metadata(first))["elements_ev"].items()}
        submitted = {}
        for index in range(1, n_parts + 1):
            chosen = list(islice(order, PART_SIZE))
            if chosen and not _part(folder, index).is_file():
                future = pool.submit(_write_part_in_worker, _part(folder, index), chosen, energies)
                submitted[future] = (index, len(chosen))
        for future in as_completed(submitted):
            index, n_compositions = submitted[future]
            on_progress(PartFinished(index, future.result(), n_compositions))
    return summarise(folder)


def summarise(folder: Path) -> DatasetSummary:
    """Add up the metadata of the parts of a data set.

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
    return DatasetSummary(
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
    metadata: bytes = pq.read_schema(path).metadata[_METADATA]
    return metadata


def _write(path: Path, potential: str, tried: list[CandidateComposition], results: list[CompositionResult]) -> int:
    """Write a part; the number of its crystals."""
    rows = [row_of(crystal, potential) for result in results for crystal in result.crystals]
    about: dict[str, Any] = {
        "potential": potential,
        "kappatune": version("kappatune"),
        "n_compositions": len(tried),
        "n_crystals": len(rows),
        "dropped": Counter(_kind(reason) for result in results for _, reason in result.dropped),
    }
    if tried[0].bonding == "element":
        about["elements_ev"] = {
            candidate.amounts[0][0]: result.lowest_ev
            for candidate, result in zip(tried, results, strict=True)
            if result.lowest_ev is not None
        }
    table = pa.Table.from_pylist(rows, SCHEMA.with_metadata({_METADATA: json.dumps(about)}))
    with atomic_path(path) as partial:
        pq.write_table(table, partial, compression="zstd")
    return len(rows)


def _kind(reason: str) -> str:
    """A reason without what is special to one crystal."""
    return reason.partition(":")[0].partition(" (")[0].partition(" is ")[0]


_worker: list[Potential] = []
"""The potential of a worker process."""


def _start_worker(calculator: str) -> None:
    exit_with_parent()
    use_one_thread()
    _worker.append(load_potential(calculator))


def _compute_in_worker(candidate: CandidateComposition, energies: dict[int, float]) -> CompositionResult:
    try:
        return compute_composition(candidate, _worker[0], energies)
    except Exception as error:  # one composition never stops the others
        reason = f"failed unexpectedly: {candidate.formula}: {type(error).__name__}: {error}"
        return CompositionResult(dropped=[("all", reason)])


def _write_part_in_worker(path: Path, chosen: list[CandidateComposition], energies: dict[int, float]) -> int:
    results = [_compute_in_worker(candidate, energies) for candidate in chosen]
    return _write(path, str(_worker[0]), chosen, results)
