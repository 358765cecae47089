"""Progress on stderr: on a terminal a bar for each crystal in progress, elsewhere a line per event."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kappatune.progress import Event, OnProgress
from kappatune.verification.events import CrystalEvent, CrystalFinished, ForcesProgress, StepStarted

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


@contextmanager
def crystals_on_stderr() -> Iterator[OnProgress]:
    """A handler for the events of `kappatune.verification`."""
    if not sys.stderr.isatty():
        yield _print_line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, highlight=False, markup=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        yield _Bars(bars, console).show


def _print_line(event: Event) -> None:
    if not isinstance(event, ForcesProgress):
        print(event, file=sys.stderr, flush=True)


class _Bars:
    """A bar for each crystal in progress."""

    def __init__(self, bars: Progress, console: Console) -> None:
        self.bars = bars
        self.console = console
        self.tasks: dict[str, TaskID] = {}

    def show(self, event: Event) -> None:
        """Update the bar of the crystal that an event is about; print every other event."""
        if isinstance(event, CrystalFinished):
            if event.crystal in self.tasks:
                self.bars.remove_task(self.tasks.pop(event.crystal))
        elif isinstance(event, StepStarted):
            self.bars.update(self._task(event), description=str(event), completed=0, total=None)
        elif isinstance(event, ForcesProgress):
            self.bars.update(self._task(event), completed=event.done, total=event.total)
        else:
            self.console.print(str(event))

    def _task(self, event: CrystalEvent) -> TaskID:
        if event.crystal not in self.tasks:
            self.tasks[event.crystal] = self.bars.add_task("", total=None)
        return self.tasks[event.crystal]
