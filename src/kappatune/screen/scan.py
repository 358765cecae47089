"""The scan: every crystal of every source into one row of a partitioned Parquet table, whatever happens.

One unit of a source becomes one part, written under a hidden name and renamed when complete, so that a
part is there whole or not at all. A part remembers the hash of its unit: a resumed scan skips what is
done, and stops where a source has changed. Rows are made from the crystal they belong to; nothing is
ever joined by position.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kappatune.bundle import read_card
from kappatune.errors import UserError
from kappatune.model import KappaModel, UnknownFidelity, model_folder
from kappatune.screen.layout import CLAIM, FETCHED, MANIFEST
from kappatune.screen.rows import SCHEMA, Labels, result_rows
from kappatune.screen.sources import Unit, is_url, parse, units
from kappatune.structures import Crystal, Rejection
from kappatune.structures.text import printable

SCHEMA_VERSION = 2
_UNIT_HASH = b"unit_sha256"


class BadRequest(UserError):
    """A scan that cannot begin or go on; the message says why."""


@dataclass(frozen=True)
class ScanSettings:
    """What is scanned, with what.

    Attributes:
        sources: See `kappatune.screen.sources.units`.
        model: Name or folder of the model.
        fidelity: Rung that is asked for; None is the model's last.
        labels: Table of labelled crystals the nearest are taken from; None is the shipped textbook table.
        filter: OPTIMADE filter for the sources that are URLs.
    """

    sources: tuple[str, ...]
    model: str = "fast"
    fidelity: str | None = None
    labels: str | None = None
    filter: str | None = None


@dataclass(frozen=True)
class Counts:
    """Rows of one part, or of a whole scan.

    Attributes:
        rows: All rows.
        answered: Rows with a value.
    """

    rows: int = 0
    answered: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.rows + other.rows, self.answered + other.answered)


def scan(
    settings: ScanSettings,
    out: Path,
    *,
    workers: int = 1,
    resume: bool = False,
    command: str = "",
    say: Callable[[Counts], None] = lambda _: None,
) -> Counts:
    """Run or go on with a scan.

    Args:
        settings: What is scanned, with what.
        out: Folder of the result.
        workers: Processes that predict; each holds the model.
        resume: Go on with what is in `out`.
        command: Recorded in the manifest.
        say: Receives the counts after every part.

    Returns:
        Counts over all parts, those of earlier runs included.

    Raises:
        BadRequest: `out` is in use, holds another scan, or a source has changed since; or there is a
            filter but no URL.
        kappatune.screen.sources.BadSource: A source cannot be read or fetched; what is complete stays.
        OSError: The disk is full; what is complete stays, and `resume` goes on.
    """
    card = read_card(model_folder(settings.model))
    if settings.fidelity not in (None, *card.fidelities):
        raise UnknownFidelity(f"model '{card.name}' knows {', '.join(card.fidelities)}, not '{settings.fidelity}'")
    if settings.filter and not any(is_url(source) for source in settings.sources):
        raise BadRequest("a filter is for OPTIMADE providers, but no source is a URL")
    claim = {
        "schema_version": SCHEMA_VERSION,
        "sources": list(settings.sources),
        "model": card.name,
        "model_sha256": card.weights_sha256,
        "fidelity": settings.fidelity or card.fidelities[-1],
        "labels": settings.labels,
        "filter": settings.filter,
    }
    _claim(out, claim, resume)
    (out / MANIFEST).unlink(missing_ok=True)
    total = Counts()
    n_parts = 0
    with _Crew(settings, out, workers) as crew:
        for counts in crew.run(_pending(units(settings.sources, out / FETCHED, settings.filter), out)):
            total += counts
            n_parts += 1
            say(total)
    _write_json(
        out / MANIFEST,
        {
            **claim,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command,
            "n_parts": n_parts,
            "n_rows": total.rows,
            "n_answered": total.answered,
            "versions": {"python": platform.python_version(), **{n: version(n) for n in ("kappatune", "torch")}},
        },
    )
    return total


def part_path(out: Path, index: int) -> Path:
    """File of one part."""
    return out / f"part-{index:06d}.parquet"


def _claim(out: Path, claim: dict[str, object], resume: bool) -> None:
    if out.exists() and not out.is_dir():
        raise BadRequest(f"{out} is a file: give a folder as --out")
    out.mkdir(parents=True, exist_ok=True)
    path = out / CLAIM
    if path.is_file():
        if not resume:
            raise BadRequest(f"{out} holds a scan: give another --out, or --resume to go on with it")
        if json.loads(path.read_text(encoding="utf-8")) != claim:
            raise BadRequest(
                f"{out} holds a scan of other sources, or with another model or filter: give another --out"
            )
    elif any(not entry.name.startswith(".") for entry in out.iterdir()):
        raise BadRequest(f"{out} is not empty: give another --out")
    for leftover in out.glob(".part-*"):
        leftover.unlink(missing_ok=True)
    _write_json(path, claim)


def _pending(stream: Iterator[Unit], out: Path) -> Iterator[tuple[int, Unit] | Counts]:
    """Units still to do, and the counts of the parts that are done."""
    for index, unit in enumerate(stream):
        path = part_path(out, index)
        if not path.is_file():
            yield index, unit
            continue
        metadata = pq.read_metadata(path)
        if metadata.metadata.get(_UNIT_HASH) != unit.digest().encode():
            where = unit.file or f"{unit.items[0]} and the files after it"
            raise BadRequest(f"{where} changed since this scan began: begin again in another --out")
        answered = pq.read_table(path, columns=["kappa_w_mk"])["kappa_w_mk"]
        yield Counts(metadata.num_rows, len(answered) - answered.null_count)


class _Crew:
    """Worker processes. A unit that kills its worker is tried item by item, and the guilty item gets a reason."""

    def __init__(self, settings: ScanSettings, out: Path, workers: int) -> None:
        self.settings = settings
        self.out = out
        self.workers = workers
        self.pool = self._new_pool(workers)

    def __enter__(self) -> _Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown(wait=True, cancel_futures=True)

    def run(self, pending: Iterable[tuple[int, Unit] | Counts]) -> Iterator[Counts]:
        """Do the units, a bounded number at a time, and yield the counts of each part."""
        running: dict[Future[Counts], tuple[int, Unit]] = {}
        for item in pending:
            if isinstance(item, Counts):
                yield item
                continue
            running[self.pool.submit(_work, *item, self.out)] = item
            if len(running) >= 3 * self.workers:
                yield from self._collect(running)
        while running:
            yield from self._collect(running)

    def _collect(self, running: dict[Future[Counts], tuple[int, Unit]]) -> Iterator[Counts]:
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        try:
            for future in done:
                counts = future.result()
                del running[future]
                yield counts
        except BrokenProcessPool:
            suspects = sorted(running.values(), key=lambda item: item[0])
            running.clear()
            self.pool.shutdown()
            for index, unit in suspects:
                yield self._alone(index, unit)
            self.pool = self._new_pool(self.workers)

    def _alone(self, index: int, unit: Unit) -> Counts:
        """Do one unit in a process of its own; if that dies, find the items that kill it."""
        if (counts := self._survives(index, unit)) is not None:
            return counts
        poisoned = frozenset(self._poisoned(unit))
        if not poisoned:
            raise BadRequest(
                f"the worker process died on {unit.file or unit.items[0]}, though every item can be read alone: "
                "free memory or use fewer --workers, then --resume"
            )
        with self._fresh_worker() as pool:
            return pool.submit(_work, index, unit, self.out, poisoned).result()

    def _survives(self, index: int, unit: Unit) -> Counts | None:
        with self._fresh_worker() as pool:
            try:
                return pool.submit(_work, index, unit, self.out).result()
            except BrokenProcessPool:
                return None

    def _poisoned(self, unit: Unit) -> Iterator[int]:
        """Positions of the items that kill a worker, found one by one."""
        pool = self._fresh_worker()
        for k, item in enumerate(unit.items):
            try:
                pool.submit(_judge_items, replace(unit, items=[item], first=unit.first + k)).result()
            except BrokenProcessPool:
                yield k
                pool = self._fresh_worker()
        pool.shutdown()

    def _fresh_worker(self) -> ProcessPoolExecutor:
        """One worker that is known to have begun, so that its death has to do with what it is given."""
        pool = self._new_pool(1)
        try:
            pool.submit(_ready).result()
        except BrokenProcessPool as error:
            raise BadRequest("no worker process can begin: free memory, then --resume") from error
        return pool

    def _new_pool(self, workers: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            workers, mp_context=get_context("spawn"), initializer=_begin_worker, initargs=(self.settings,)
        )


class _Worker:
    """What a worker process keeps between units."""

    def __init__(self, settings: ScanSettings) -> None:
        self.model = KappaModel.load(settings.model)
        self.fidelity = settings.fidelity or self.model.default_fidelity
        self.labels = Labels.read(self.model, settings.labels)


_worker: _Worker | None = None


def _begin_worker(settings: ScanSettings) -> None:
    global _worker
    import torch

    torch.set_num_threads(1)
    _worker = _Worker(settings)


def _ready() -> None:
    assert _worker is not None


def _judge_items(unit: Unit, poisoned: frozenset[int] = frozenset()) -> list[dict[str, object]]:
    assert _worker is not None
    if poisoned:
        entries: list[Crystal | Rejection] = []
        for k, item in enumerate(unit.items):
            one = replace(unit, items=[item], first=unit.first + k)
            entries += [_killer(one)] if k in poisoned else parse(one)
    else:
        entries = parse(unit)
    return result_rows(_worker.model, _worker.fidelity, entries, _worker.labels)


def _killer(unit: Unit) -> Rejection:
    (item,) = unit.items
    file = unit.file or str(item)
    name = f"{Path(file).stem}#{unit.first}" if unit.file else Path(file).stem
    if isinstance(item, dict) and item.get("id"):
        name = printable(str(item["id"]))
    return Rejection(name, "reading it ended the worker process: the file is too large or harmful", file)


def _work(index: int, unit: Unit, out: Path, poisoned: frozenset[int] = frozenset()) -> Counts:
    """Predict one unit and write its part."""
    rows = _judge_items(unit, poisoned)
    table = pa.Table.from_pylist(rows, schema=SCHEMA.with_metadata({_UNIT_HASH: unit.digest().encode()}))
    partial = out / f".part-{index:06d}-{os.getpid()}"
    try:
        pq.write_table(table, partial, compression="zstd")
        os.replace(partial, part_path(out, index))
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    return Counts(len(rows), sum(row["kappa_w_mk"] is not None for row in rows))


def _write_json(path: Path, content: dict[str, object]) -> None:
    partial = path.with_name(f".{path.name}-{os.getpid()}")
    partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    os.replace(partial, path)
