"""What every verb prints: the answer alone on stdout, everything else on stderr."""

from __future__ import annotations

import csv
import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, NoReturn, TextIO

import typer

from kappatune.errors import UserError

if TYPE_CHECKING:
    from kappatune.model.kappa_model import Prediction

EXIT_ALL_ANSWERED = 0
EXIT_COULD_NOT_RUN = 1
EXIT_SOME_WITHOUT_ANSWER = 3


class Form(StrEnum):
    """Form of an answer."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def chosen_form(as_json: bool, as_csv: bool) -> Form:
    """The form two exclusive flags ask for."""
    if as_json and as_csv:
        raise typer.BadParameter("give --json or --csv, not both")
    return Form.JSON if as_json else Form.CSV if as_csv else Form.TABLE


@contextmanager
def answer_stream() -> Iterator[TextIO]:
    """The real stdout; meanwhile whatever libraries print on stdout, also from C, goes to stderr."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with os.fdopen(os.dup(kept), "w", encoding="utf-8", errors="backslashreplace") as answer:
            yield answer
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn what users can mend into one sentence on stderr and exit code 1."""
    try:
        yield
    except UserError as error:
        fail(str(error))
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        full = "; free some space, and go on with --resume if the command has it" if error.errno == errno.ENOSPC else ""
        fail(f"{error.filename or 'a file'}: {'the disk is full' if full else error.strerror or error}{full}")


def fail(message: str) -> NoReturn:
    """Say why it could not run, and leave."""
    tell(f"kappatune: {message}")
    raise typer.Exit(EXIT_COULD_NOT_RUN)


def tell(line: str) -> None:
    """One line for the person, on stderr."""
    print(line, file=sys.stderr, flush=True)


def write_rows(rows: Iterable[Prediction], form: Form, answer: TextIO) -> tuple[int, int]:
    """Write predictions as they come.

    Returns:
        How many rows there were, and how many of them without an answer.
    """
    writer = {Form.TABLE: _write_table, Form.JSON: _write_json, Form.CSV: _write_csv}[form]
    counts = [0, 0]

    def counted() -> Iterator[Prediction]:
        for row in rows:
            counts[0] += 1
            counts[1] += row.kappa_w_mk is None
            yield row

    writer(counted(), answer)
    return counts[0], counts[1]


def _write_json(rows: Iterable[Prediction], answer: TextIO) -> None:
    answer.write("[")
    for index, row in enumerate(rows):
        answer.write(("," if index else "") + "\n " + row.model_dump_json())
    answer.write("\n]\n")


def _write_csv(rows: Iterable[Prediction], answer: TextIO) -> None:
    from kappatune.model.kappa_model import Prediction

    writer = csv.writer(answer, lineterminator="\n")
    writer.writerow(Prediction.model_fields)
    for row in rows:
        writer.writerow(["" if value is None else value for value in row.model_dump().values()])


def _write_table(rows: Iterable[Prediction], answer: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("crystal", overflow="fold")
    table.add_column("formula")
    table.add_column("T, K", justify="right")
    table.add_column("κ, W/(m K)", justify="right")
    table.add_column("interval", justify="right")
    table.add_column("in domain")
    table.add_column("remark", overflow="fold", ratio=1)
    for row in rows:
        spread = f"{row.lower_w_mk:.3g} to {row.upper_w_mk:.3g}" if row.lower_w_mk and row.upper_w_mk else ""
        table.add_row(
            Text(row.id),
            Text(row.formula or ""),
            f"{row.temperature_k:g}",
            "–" if row.kappa_w_mk is None else f"{row.kappa_w_mk:.3g}",
            spread,
            {None: "", True: "yes", False: "no"}[row.in_domain],
            Text(row.reason or ""),
        )
    console = Console(file=answer, width=None if answer.isatty() else 140)
    console.print(table)
