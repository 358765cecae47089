"""Progress of long work as typed events, and a handler that shows them on a terminal.

A function that takes long has an argument `on_progress`, called with one event at a time. A package that has more to
report derives its own events from `Event`; `str(event)` is the line for people.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """Something happened that a person may want to know; `str()` says it in one line."""


@dataclass(frozen=True)
class Message(Event):
    """A line of text.

    Attributes:
        text: The line.
    """

    text: str

    def __str__(self) -> str:
        """The line."""
        return self.text


@dataclass(frozen=True)
class Advanced(Event):
    """Part of the work is done.

    Attributes:
        done: Items finished so far.
        total: Items in all; None while unknown.
        unit: What is counted, in the plural.
    """

    done: int
    total: int | None = None
    unit: str = "crystals"

    def __str__(self) -> str:
        """The count."""
        return f"{self.done} {self.unit}" if self.total is None else f"{self.done} of {self.total} {self.unit}"


OnProgress = Callable[[Event], None]
"""What long work calls with each event."""


def ignore(event: Event) -> None:
    """Let an event pass."""


@contextmanager
def handler_or_default(on_progress: OnProgress | None) -> Iterator[OnProgress]:
    """The handler that a caller gave; without one, progress is shown on stderr if that is a terminal."""
    if on_progress is not None:
        yield on_progress
    elif sys.stderr.isatty():
        with shown_on_stderr() as handler:
            yield handler
    else:
        yield ignore


@contextmanager
def shown_on_stderr() -> Iterator[OnProgress]:
    """A handler that prints messages on stderr, and a bar for `Advanced` where stderr is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    if not sys.stderr.isatty():

        def line(event: Event) -> None:
            if not isinstance(event, Advanced):
                print(event, file=sys.stderr, flush=True)

        yield line
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        tasks: dict[str, object] = {}

        def show(event: Event) -> None:
            if not isinstance(event, Advanced):
                console.print(str(event))
                return
            if event.unit not in tasks:
                tasks[event.unit] = bar.add_task(event.unit, total=event.total)
            bar.update(tasks[event.unit], completed=event.done, total=event.total)  # type: ignore[arg-type]

        yield show
