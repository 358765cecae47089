"""The scan: every crystal of every source into one row of a partitioned Parquet table, whatever happens.

One unit of a source becomes one part (`kappatune.screening.parts`). A resumed scan skips what is done, and stops
where a source has changed. Rows are made from the crystal they belong to; nothing is ever joined by
position. This process never imports torch: the workers do (`kappatune.screening.worker_pool`).
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from kappatune.screening.layout import CLAIM, FETCHED, MANIFEST, PARTS
from kappatune.screening.parts import Counts, counts_of_part, drop_leftovers
from kappatune.screening.settings import BadRequest, ScanSettings
from kappatune.screening.sources import Unit, is_url, units
from kappatune.screening.worker_pool import Item, LocalWorkerPool, WorkerPool
from kappatune.structures import read_table

SCHEMA_VERSION = 2


def scan(
    settings: ScanSettings,
    out: Path,
    *,
    workers: int | None = None,
    resume: bool = False,
    ray: str | None = None,
    command: str = "",
    say: Callable[[Counts], None] = lambda _: None,
) -> Counts:
    """Run or go on with a scan.

    Args:
        settings: What is scanned, with what.
        out: Folder of the result.
        workers: Processes that predict, each with the model in memory; by default one per CPU.
        resume: Go on with what is in `out`.
        ray: Address of a Ray cluster whose nodes predict (see `kappatune.screening.ray_pool`); None for this process's
            own workers.
        command: Recorded in the manifest.
        say: Receives the counts after every part.

    Returns:
        Counts over all parts, those of earlier runs included.

    Raises:
        BadRequest: `out` is in use, holds another scan, or a source has changed since; no label can be used;
            there is a filter but no URL.
        kappatune.errors.BadSource: A source cannot be read or fetched; what is complete stays.
        kappatune.structures.table.BadTable: The table of labels cannot be read.
        kappatune.errors.UserError: The model cannot be loaded, or has no such rung.
        OSError: The disk is full; what is complete stays, and `resume` goes on.
    """
    _check_folder(out, resume)
    if settings.filter and not any(is_url(source) for source in settings.sources):
        raise BadRequest("--filter applies to OPTIMADE providers, but no source is a URL")
    labels_sha256 = _labels_sha256(settings.labels)
    with _crew(settings, out, workers, ray) as crew:
        claim: dict[str, object] = {
            "schema_version": SCHEMA_VERSION,
            "sources": list(settings.sources),
            **crew.begin(),
            "labels": settings.labels,
            "labels_sha256": labels_sha256,
            "filter": settings.filter,
        }
        _claim(out, claim)
        total = Counts()
        n_parts = 0
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


def _crew(settings: ScanSettings, out: Path, workers: int | None, ray: str | None) -> WorkerPool:
    if ray is None:
        return LocalWorkerPool(settings, out, workers or os.cpu_count() or 1)
    from kappatune.screening.ray_pool import RayWorkerPool

    return RayWorkerPool(settings, out, workers, ray)


def _labels_sha256(labels: str | None) -> str | None:
    if labels is None:
        return None
    table = read_table(labels, default_fidelity="experiment")
    if not table.rows:
        reason = f": {table.rejections[0].id}: {table.rejections[0].reason}" if table.rejections else ""
        raise BadRequest(f"{labels} has no usable labelled crystal{reason}")
    return table.sha256


def _check_folder(out: Path, resume: bool) -> None:
    if out.exists() and not out.is_dir():
        raise BadRequest(f"{out} is a file: give a folder as --out")
    if (out / CLAIM).is_file():
        if not resume:
            raise BadRequest(f"{out} holds a scan: give another --out, or --resume to continue it")
    elif out.is_dir() and any(not entry.name.startswith(".") for entry in out.iterdir()):
        raise BadRequest(f"{out} is not empty: give another --out")


def _claim(out: Path, claim: dict[str, object]) -> None:
    """Mark the folder with what is scanned into it; refuse to mix two scans."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / CLAIM
    begun = path.is_file() and any(out.glob(PARTS))
    if begun and json.loads(path.read_text(encoding="utf-8")) != claim:
        raise BadRequest(
            f"{out} holds a scan of other sources, another model, other labels or another filter: give another --out"
        )
    drop_leftovers(out)
    _write_json(path, claim)
    (out / MANIFEST).unlink(missing_ok=True)


def _pending(stream: Iterator[Unit], out: Path) -> Iterator[Item | Counts]:
    """Units still to do, and the counts of the parts that are done."""
    for index, unit in enumerate(stream):
        yield counts_of_part(out, index, unit) or (index, unit)


def _write_json(path: Path, content: dict[str, object]) -> None:
    partial = path.with_name(f".{path.name}-{os.getpid()}")
    partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    os.replace(partial, path)
