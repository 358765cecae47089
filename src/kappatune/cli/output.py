"""Standard output for the answer alone, standard error for the rest, and the exit codes."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn, TextIO

import typer

from kappatune.cli.writers import OutputFormat, RowCounts
from kappatune.errors import UserError

EXIT_COULD_NOT_RUN = 1
EXIT_WRONG_USAGE = 2
EXIT_SOME_WITHOUT_ANSWER = 3


def chosen_format(as_json: bool, as_csv: bool) -> OutputFormat:
    """The format that the flags `--json` and `--csv` ask for."""
    if as_json and as_csv:
        raise typer.BadParameter("give --json or --csv, not both")
    return OutputFormat.JSON if as_json else OutputFormat.CSV if as_csv else OutputFormat.TABLE


def open_closed_streams() -> None:
    """Send to nowhere what would go to a stream that the caller has closed, as `>&-` does."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8"))


@contextmanager
def answer_only_stdout() -> Iterator[TextIO]:
    """The real stdout, for the answer; what libraries print there meanwhile, also from C, goes to stderr."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        with os.fdopen(os.dup(saved), "w", encoding="utf-8", errors="backslashreplace") as out:
            yield out
    finally:
        sys.stdout.flush()
        os.dup2(saved, 1)
        os.close(saved)


@contextmanager
def errors_as_messages() -> Iterator[None]:
    """Print errors that the user can fix as one line on stderr, and exit with 1."""
    try:
        yield
    except UserError as error:
        fail(str(error))
    except BrokenPipeError:
        raise
    except OSError as error:
        place = error.filename or "a file"
        if error.errno == errno.ENOSPC:
            fail(f"{place}: the disk is full; free some space, and continue with --resume if the command has it")
        fail(f"{place}: {error.strerror or error}")


def fail(message: str) -> NoReturn:
    """Print why the command could not run, and exit."""
    note(f"kappatune: {message}")
    raise typer.Exit(EXIT_COULD_NOT_RUN)


def note(line: str) -> None:
    """Print a line for the user on stderr."""
    print(line, file=sys.stderr, flush=True)


def exit_if_unanswered(counts: RowCounts, see: str = "the column 'reason' says why") -> None:
    """Exit with 3 if some rows have no answer."""
    if counts.unanswered:
        rows = "row" if counts.total == 1 else "rows"
        have = "has" if counts.unanswered == 1 else "have"
        note(f"{counts.unanswered} of {counts.total} {rows} {have} no answer; {see}")
        raise typer.Exit(EXIT_SOME_WITHOUT_ANSWER)
