from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from kappatune.data import aflow
from tests.builders import rocksalt
from tests.data.aflux import Aflux, item_of


@pytest.fixture
def small_pages(monkeypatch) -> None:
    monkeypatch.setattr(aflow, "PAGE_SIZE", 10)


@pytest.fixture
def between(monkeypatch) -> list[float]:
    """The pauses between pages that would have been made."""
    made: list[float] = []
    monkeypatch.setattr(aflow, "time", SimpleNamespace(sleep=made.append))
    return made


@pytest.fixture
def aflux() -> Iterator[Aflux]:
    kinds = [(a, b) for a in (3, 11, 12, 19, 20) for b in (8, 9, 16, 17, 34, 35, 52)]
    made = Aflux([item_of(rocksalt(*kinds[k], 5.0 + 0.02 * k), k) for k in range(35)])
    yield made
    made.server.shutdown()
    made.server.server_close()
