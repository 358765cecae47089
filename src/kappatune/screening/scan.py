"""The scan: every crystal of every source becomes one row of a partitioned Parquet table, whatever happens.

One unit of a source becomes one part (`kappatune.screening.parts`). A resumed scan skips the parts that are complete,
and stops where the content of a source has changed. Rows are made from the crystal they belong to; nothing is ever
joined by position. This process never imports torch: the workers do (`kappatune.screening.worker_pool`).
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from kappatune.progress import Advanced, OnProgress, handler_or_default
from kappatune.screening.layout import FETCHED, MANIFEST, PARTS, SCAN_INFO
from kappatune.screening.parts import ScanCounts, counts_of_part, remove_leftovers, require_no_part
from kappatune.screening.settings import BadRequest, ScanSettings
from kappatune.screening.sources import is_url, units
from kappatune.screening.unit import Unit
from kappatune.screening.worker_pool import IndexedUnit, LocalWorkerPool, WorkerPool
from kappatune.storage import write_text
from kappatune.structures import read_table

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 2


@dataclass(frozen=True)
class ScanResult(os.PathLike[str]):
    """A complete scan.

    It can be used as the path of its folder, so that `rank(result)` and `pyarrow.dataset.dataset(result)` work.

    Attributes:
        folder: Folder of the scan.
        n_rows: Its rows, one per crystal of the sources.
        n_answered: Rows with a conductivity; the others have a reason.
    """

    folder: Path
    n_rows: int
    n_answered: int

    def __fspath__(self) -> str:
        """Path of the folder."""
        return str(self.folder)

    def to_pandas(self, columns: Iterable[str] | None = None) -> pd.DataFrame:
        """The rows of the scan, all columns or some; a large scan is better queried by DuckDB."""
        import pyarrow.dataset as ds

        return ds.dataset(self.folder, format="parquet").to_table(columns=columns and [*columns]).to_pandas()


def screen(
    sources: str | Path | Iterable[str | Path],
    out: str | Path,
    model: str | Path = "fast",
    *,
    fidelity: str | None = None,
    labels: str | Path | None = None,
    filter: str | None = None,
    workers: int | None = None,
    ray: str | None = None,
    resume: bool = False,
    command: str = "",
    on_progress: OnProgress | None = None,
) -> ScanResult:
    """Predict whole databases of crystals, one row per crystal, in a folder of Parquet files.

    The sources are read as a stream, so their size does not matter. The scan can be killed at any moment, and continues
    with `resume=True`. A crystal without an answer gets a row with the reason. In a script, call it below
    `if __name__ == "__main__":`, because the worker processes import the script.

    Args:
        sources: Files, folders and glob patterns (CIF, POSCAR, pymatgen JSON, extxyz, tables as `.parquet`, `.jsonl` or
            `.csv`, ASE databases), URLs of OPTIMADE providers, and `.csv` tables of Materials Project ids.
        out: Folder of the result; new or empty, unless a scan is resumed.
        model: `fast`, `accurate`, or the folder of a model.
        fidelity: Rung to predict; by default the model's last.
        labels: Table of labelled crystals among which the nearest to each crystal are found; by default the shipped
            textbook values.
        filter: OPTIMADE filter for the sources that are URLs, such as `elements HAS "Te" AND nsites<20`.
        workers: Processes, each with the model in memory; by default one per CPU.
        ray: Address of a Ray cluster to work on instead: `local`, `auto`, or `HOST:PORT` of the head node.
        resume: Continue the scan in `out`, or start it if there is none.
        command: Recorded in the scan, for the report.
        on_progress: Called with the number of finished rows after every part; by default a bar on stderr, if that is a
            terminal.

    Returns:
        Folder and counts of the scan, including the parts of earlier runs.

    Raises:
        BadRequest: `out` is in use or holds another scan, a source has changed since the scan began, no label is
            usable, there is a filter but no URL, or a source or the model is an object in memory.
        kappatune.settings.BadSettings: An argument is not of the right kind.
        kappatune.errors.BadSource: A source cannot be read or fetched; complete parts remain.
        kappatune.structures.table.BadTable: The table of labels cannot be read.
        kappatune.errors.UserError: The model cannot be loaded, or has no such rung.
        OSError: The disk is full; complete parts remain, and the scan can be resumed.

    Examples:
        >>> from kappatune import rank, screen
        >>> scan = screen("structures/", "my-scan")
        >>> scan
        ScanResult(folder=PosixPath('my-scan'), n_rows=1200, n_answered=1187)
        >>> rank(scan, n=10)
    """
    settings = ScanSettings(
        sources=_source_names(sources),
        model=_model_name(model),
        fidelity=fidelity,
        labels=None if labels is None else str(labels),
        filter=filter,
    )
    out = Path(out)
    _check_folder(out, resume)
    if settings.filter and not any(is_url(source) for source in settings.sources):
        raise BadRequest("a filter is for OPTIMADE providers, but no source is a URL")
    labels_sha256 = _labels_sha256(settings.labels)
    with handler_or_default(on_progress) as report_progress, _worker_pool(settings, out, workers, ray) as pool:
        info: dict[str, object] = {
            "schema_version": SCHEMA_VERSION,
            "sources": list(settings.sources),
            **pool.start(),
            "labels": settings.labels,
            "labels_sha256": labels_sha256,
            "filter": settings.filter,
        }
        _claim(out, info)
        total = ScanCounts()
        n_parts = 0
        for counts in pool.run(_pending(units(settings.sources, out / FETCHED, settings.filter), out)):
            total += counts
            n_parts += 1
            report_progress(Advanced(total.rows))
    _write_json(
        out / MANIFEST,
        {
            **info,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command,
            "n_parts": n_parts,
            "n_rows": total.rows,
            "n_answered": total.answered,
            "versions": {"python": platform.python_version(), **{n: version(n) for n in ("kappatune", "torch")}},
        },
    )
    return ScanResult(out, total.rows, total.answered)


def _source_names(sources: object) -> tuple[str, ...]:
    """Paths and URLs as text; crystals in memory are refused with a hint."""
    items = [*sources] if isinstance(sources, Iterable) and not isinstance(sources, str) else [sources]
    for item in items:
        if not isinstance(item, str | Path):
            raise BadRequest(
                f"a scan reads files, folders and URLs, not objects of type {type(item).__name__}: use "
                "kappatune.predict for crystals in memory, or write them to a file"
            )
    return tuple(map(str, items))


def _model_name(model: object) -> str:
    if not isinstance(model, str | Path):
        raise BadRequest(
            f"every worker of a scan loads the model: give its name or folder, not an object of type "
            f"{type(model).__name__} (model.save(folder) saves it)"
        )
    return str(model)


def _worker_pool(settings: ScanSettings, out: Path, workers: int | None, ray: str | None) -> WorkerPool:
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
        raise BadRequest(f"{labels} holds no usable labelled crystal{reason}")
    return table.sha256


def _check_folder(out: Path, resume: bool) -> None:
    if out.exists() and not out.is_dir():
        raise BadRequest(f"{out} is a file: give a folder as --out")
    if (out / SCAN_INFO).is_file():
        if not resume:
            raise BadRequest(f"{out} holds a scan: give another --out, or continue that scan with --resume")
    elif out.is_dir() and any(not entry.name.startswith(".") for entry in out.iterdir()):
        raise BadRequest(f"{out} is not empty: give another --out")


def _claim(out: Path, info: dict[str, object]) -> None:
    """Record in the folder what is scanned into it; refuse to mix two scans."""
    path = out / SCAN_INFO
    begun = path.is_file() and any(out.glob(PARTS))
    if begun and json.loads(path.read_text(encoding="utf-8")) != info:
        raise BadRequest(
            f"{out} holds a scan of other sources, or with another model, other labels or another filter: give another "
            "--out"
        )
    remove_leftovers(out)
    _write_json(path, info)
    (out / MANIFEST).unlink(missing_ok=True)


def _pending(stream: Iterator[Unit], out: Path) -> Iterator[IndexedUnit | ScanCounts]:
    """Units still to process, and the counts of the parts that are complete."""
    n_units = 0
    for index, unit in enumerate(stream):
        yield counts_of_part(out, index, unit) or (index, unit)
        n_units += 1
    require_no_part(out, n_units)


def _write_json(path: Path, content: dict[str, object]) -> None:
    write_text(path, json.dumps(content, indent=1) + "\n")
