"""What a job leaves behind: its row, the curves of its figures, and files to download."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection
from typing import Any

from pydantic import BaseModel, ConfigDict

from kappatune.jobs.curves import JobCurves
from kappatune.jobs.record import Job


class JobFile(BaseModel):
    """A file to download: its name, its length in bytes, and what is in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    bytes: int
    about: str


class JobResult(BaseModel):
    """Everything that came of a job.

    Attributes:
        job: The job.
        row: As `kappatune verify --json` or `kappatune agl --json` prints it.
        curves: Its figures as numbers.
        files: Files to download.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    job: Job
    row: dict[str, Any]
    curves: JobCurves
    files: list[JobFile]


def csv_of_row(row: BaseModel, left_out: Collection[str]) -> str:
    """A row as two lines of CSV.

    Args:
        row: The row.
        left_out: Fields that are lists of numbers or objects.
    """
    cells = {name: value for name, value in row.model_dump().items() if name not in left_out}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(cells)
    writer.writerow(map(_csv_cell, cells.values()))
    return text.getvalue()


def _csv_cell(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front."""
    if isinstance(value, list | tuple):
        value = "; ".join(map(str, value))
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return "" if value is None else value
