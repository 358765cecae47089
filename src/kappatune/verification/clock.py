"""Wall time by part of the work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter


class Clock:
    """Wall time by part, from the moment the clock is made.

    Attributes:
        seconds: By name of the part, s.
    """

    def __init__(self) -> None:
        self.start = perf_counter()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        """Add the time of a block to a part."""
        start = perf_counter()
        try:
            yield
        finally:
            self.seconds[part] = self.seconds.get(part, 0.0) + perf_counter() - start

    def read(self) -> dict[str, float]:
        """The time of all parts, of what belongs to none (`own`), and the `total`."""
        total = perf_counter() - self.start
        return {**self.seconds, "own": total - sum(self.seconds.values()), "total": total}
