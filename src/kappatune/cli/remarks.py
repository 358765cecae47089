"""Remarks of rows: their kinds in the table, and what they mean below it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from kappatune.cli.output import note
from kappatune.structures.remarks import Remark


class _WithRemarks(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def remarks(self) -> Sequence[str] | None: ...


Row = TypeVar("Row", bound=_WithRemarks)


def kinds(row: _WithRemarks) -> str:
    """The kinds of a row's remarks, for a table."""
    return ", ".join(Remark.of(remark) for remark in row.remarks or ())


class RemarkNotes:
    """Collects the remarks of rows as they pass, and prints each kind once."""

    def __init__(self) -> None:
        self._met: dict[Remark, list[tuple[str, str]]] = {}

    def collected(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The same rows."""
        for row in rows:
            for remark in row.remarks or ():
                self._met.setdefault(Remark.of(remark), []).append((row.id, remark))
            yield row

    def print(self) -> None:
        """One line for each kind, on stderr; where the words differ between rows, those of the first."""
        for kind, met in self._met.items():
            first, sentence = met[0]
            rows = f"{len(met)} row{'' if len(met) == 1 else 's'}"
            example = "" if all(remark == sentence for _, remark in met) else f", for example {first}"
            note(f"{kind} ({rows}{example}){sentence.removeprefix(kind)}")
