"""Verification of many crystals on a Ray cluster (`kappatune.cluster`): the same rows, in order, as without.

An actor verifies one crystal at a time. One that misses more forces than `MOST_ALONE` hands the displaced cells back;
they are spread over all actors, and then the crystal goes on from there. Every actor writes its forces into the
crystal's folder, so that a killed one costs what it was computing and no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from kappatune.cluster import ActorPool, Finished, Task
from kappatune.progress import OnProgress
from kappatune.structures import Crystal, Rejection
from kappatune.verification.events import ForcesProgress
from kappatune.verification.forces import ForceCache, Forces, ForcesWanted, Helpers, cell_hash
from kappatune.verification.mailbox import Mailbox
from kappatune.verification.row import Verification
from kappatune.verification.spec import VerifierSpec, row_of_crash, use_one_thread_for_phonons
from kappatune.verification.verifier import VERSIONED

if TYPE_CHECKING:
    from ase import Atoms

MOST_ALONE = 48
"""Missing forces of one crystal that an actor computes by itself."""

SHARES_PER_ACTOR = 3
"""Shares per actor into which displaced cells are cut: those that become free later find work, too."""

SMALLEST_SHARE = 4
"""Displaced cells that are sent together at least."""

POLL_SECONDS = 0.5
"""How often the actors are asked for their progress, s."""


def iter_on_ray(
    entries: Iterable[Crystal | Rejection],
    spec: VerifierSpec,
    workers: int | None,
    address: str,
    on_progress: OnProgress,
) -> Iterator[Verification]:
    """Verify many crystals on a cluster.

    Args:
        entries: What `read_crystals` gives; read as actors become free.
        spec: Potential by name, settings, folder and model, which every node must have or see.
        workers: Actors; by default one for each CPU.
        address: `local`, `auto`, or `host:port` of a head node.
        on_progress: Called with the events of `kappatune.verification.events`.

    Yields:
        One row per entry, in order. A crystal that kills its actor as often as it is tried gets a row with a reason.

    Raises:
        BadRequest: There is no cluster at that address, or its nodes do not see the folders, or differ in potential,
            model or versions.
        UserError: Potential or model cannot be loaded on a node.
    """
    with ActorPool(_load, spec.out, workers, address) as actors:
        mailbox = Mailbox()
        actors.start(spec, mailbox)
        yield from _Batch(actors, mailbox, on_progress).rows(entries)


@dataclass
class _InProgress:
    """A crystal that has no row yet.

    Attributes:
        entry: The crystal.
        n_wanted: Forces that were asked for last.
        n_computed: How many of these are known.
        n_shares: Shares of them that have not finished.
        computed: Forces that others have computed, by hash of the cell.
        alone: Whether it computes all others itself, because a share failed or was lost.
    """

    entry: Crystal | Rejection
    n_wanted: int = 0
    n_computed: int = 0
    n_shares: int = 0
    computed: dict[str, Forces] = field(default_factory=dict)
    alone: bool = False


class _Batch:
    """The crystals that are under way, and those that wait for the row of one before them."""

    def __init__(self, actors: ActorPool, mailbox: Mailbox, on_progress: OnProgress) -> None:
        self.actors = actors
        self.mailbox = mailbox
        self.on_progress = on_progress
        self.crystals: dict[int | str, _InProgress] = {}
        self.finished: dict[int | str, Verification] = {}
        self.n_yielded = 0

    def rows(self, entries: Iterable[Crystal | Rejection]) -> Iterator[Verification]:
        """The rows, in order."""
        for index, entry in enumerate(entries):
            while not self.actors.has_room:
                yield from self._wait()
            self.crystals[index] = _InProgress(entry)
            self._verify(index)
        while self.actors.n_open:
            yield from self._wait()

    def _wait(self) -> Iterator[Verification]:
        finished = self.actors.wait(POLL_SECONDS)
        if finished is not None:
            self._take(finished)
        for event in self.mailbox.take():
            self.on_progress(event)
        while self.n_yielded in self.finished:
            yield self.finished.pop(self.n_yielded)
            self.n_yielded += 1

    def _verify(self, index: int | str) -> None:
        crystal = self.crystals[index]
        helpers = Helpers(None if crystal.alone else MOST_ALONE, crystal.computed)
        self.actors.add(Task((index, "row"), "verify", (crystal.entry, helpers)))

    def _take(self, finished: Finished) -> None:
        """What a finished task leads to: a row, shares to compute, or the crystal that goes on."""
        index = finished.task.key[0]
        crystal = self.crystals[index]
        if finished.task.method == "compute":
            self._take_share(index, finished)
        elif isinstance(finished.result, ForcesWanted):
            self._spread(index, finished.result)
        else:
            del self.crystals[index]
            self.finished[index] = row_of_crash(crystal.entry) if finished.lost else finished.result

    def _spread(self, index: int | str, wanted: ForcesWanted) -> None:
        shares = _shares(wanted.cells, self.actors.n_actors)
        crystal = self.crystals[index]
        crystal.n_wanted, crystal.n_computed, crystal.n_shares = len(wanted.cells), 0, len(shares)
        for number, share in enumerate(shares):
            self.actors.add(Task((index, number), "compute", (wanted.folder, share)))

    def _take_share(self, index: int | str, finished: Finished) -> None:
        crystal = self.crystals[index]
        crystal.n_shares -= 1
        _, share = finished.task.arguments
        if finished.lost or finished.result is None:
            crystal.alone = True
        else:
            crystal.computed |= zip(map(cell_hash, share), finished.result, strict=True)
            crystal.n_computed += len(share)
        self.on_progress(ForcesProgress(crystal.entry.id, crystal.n_computed, crystal.n_wanted))
        if not crystal.n_shares:
            self._verify(index)


def _shares(cells: Sequence[Atoms], n_actors: int) -> list[list[Atoms]]:
    size = max(SMALLEST_SHARE, -(-len(cells) // (SHARES_PER_ACTOR * n_actors)))
    return [list(cells[first : first + size]) for first in range(0, len(cells), size)]


class _Worker:
    """What an actor holds: a verifier."""

    def __init__(self, spec: VerifierSpec, mailbox: Mailbox) -> None:
        self.verifier = spec.load()
        self.mailbox = mailbox

    def verify(self, entry: Crystal | Rejection, helpers: Helpers) -> Verification | ForcesWanted:
        """The row of a crystal, or the displaced cells whose forces others are to compute."""
        try:
            row = replace(self.verifier, helpers=helpers).verify(entry, self.mailbox.send)
        except ForcesWanted as wanted:
            return wanted
        self.mailbox.wait(POLL_SECONDS)  # so that the last event comes before the row
        return row

    def compute(self, folder: Path, cells: Sequence[Atoms]) -> Forces | None:
        """Forces of displaced cells, also written into the folder; None if one fails, which the crystal will report."""
        try:
            return ForceCache(folder).forces(cells, self.verifier.potential, lambda: None)
        except Exception:
            return None


def _load(spec: VerifierSpec, mailbox: Mailbox) -> tuple[_Worker, dict[str, str]]:
    """The worker of an actor, and what all nodes must agree on."""
    use_one_thread_for_phonons()
    worker = _Worker(spec, mailbox)
    potential, model = worker.verifier.potential, worker.verifier.model
    return worker, {
        "potential": f"{potential} {potential.fingerprint}".strip(),
        "model": "" if model is None else f"{model.card.name} {model.card.weights_sha256}",
        **{name: version(name) for name in VERSIONED},
    }
