"""What may be wrong with a label, and the error that stops a fine-tuning because of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kappatune.results import Results
from kappatune.structures.table import Fidelity
from kappatune.training.recipe import BadRun

Kind = Literal["conflict", "shift", "outlier", "duplicate"]

_SHOWN = 10
_PLURAL = {"conflict": "conflicts", "shift": "shifted tables", "outlier": "outliers", "duplicate": "duplicates"}
_SINGULAR = {"shift": "shifted table"}


@dataclass(frozen=True)
class LabelDoubt:
    """A label, or a table of labels, that may be wrong.

    Attributes:
        kind: `duplicate`: the crystal is there before with about the same value; `conflict`: with another value;
            `shift`: the table, or a part of it, lies apart from what the model expects; `outlier`: one value does.
        stage: Name of the stage.
        table: Name of the table.
        fidelity: Fidelity of the values.
        doubt: What is wrong, in words.
        is_grave: Whether it stops a fine-tuning.
        row: Number of the row in the table, counted from 1; None for a table.
        id: Name of the crystal.
        file: File it came from.
        formula: Reduced formula.
        kappa_w_mk: The value, taken as W/(m K).
        expected_w_mk: What the model expects, W/(m K); None if it cannot predict the crystal.
        lower_w_mk: Lower end of the model's interval, W/(m K).
        upper_w_mk: Upper end of the model's interval, W/(m K).
        factor: Value over the earlier value of the crystal, or over what the model expects; the median for a table.
        other_table: Table of the earlier row of a duplicate or conflict.
        other_rows: The earlier row of a duplicate or conflict; the rows of a part of a table that is shifted.
    """

    kind: Kind
    stage: str
    table: str
    fidelity: Fidelity
    doubt: str
    is_grave: bool
    row: int | None = None
    id: str | None = None
    file: str | None = None
    formula: str | None = None
    kappa_w_mk: float | None = None
    expected_w_mk: float | None = None
    lower_w_mk: float | None = None
    upper_w_mk: float | None = None
    factor: float | None = None
    other_table: str | None = None
    other_rows: tuple[int, ...] = ()

    def __str__(self) -> str:
        """Kind, place and doubt in one line."""
        row = f", row {self.row}" if self.row else ""
        names = dict.fromkeys(filter(None, (self.id, self.formula)))
        crystal = f" ({', '.join(names)})" if names else ""
        return f"{self.kind:9s}  {self.table}{row}{crystal}: {self.doubt}"


class DoubtfulLabels(BadRun):
    """Labels that a fine-tuning refuses: they contradict each other, or are no conductivities in W/(m K).

    Attributes:
        doubts: All doubts about the labels, the grave ones first.
        report: File that holds them; None if the run is not kept.
    """

    def __init__(self, doubts: Sequence[LabelDoubt], report: Path | None = None) -> None:
        grave = [doubt for doubt in doubts if doubt.is_grave]
        see = f" All doubts: {report}." if report else ""
        super().__init__(
            "nothing was trained, because these labels cannot all be right:\n"
            + first_lines(grave)
            + "\nCorrect the table and run again, or train on it as it is with --trust-labels "
            + f"(in Python: trust_labels=True).{see}"
        )
        self.doubts, self.report = Results(doubts), report


def count_kinds(doubts: Sequence[LabelDoubt]) -> dict[str, int]:
    """How many doubts of each kind there are, the worst kind first."""
    counts = Counter(doubt.kind for doubt in doubts)
    return {kind: counts[kind] for kind in _PLURAL if counts[kind]}  # type: ignore[index]


def kinds_in_words(counts: dict[str, int]) -> str:
    """Counts of kinds for people: `1 conflict, 2 outliers`."""
    return ", ".join(f"{n} {_SINGULAR.get(kind, kind) if n == 1 else _PLURAL[kind]}" for kind, n in counts.items())


def first_lines(doubts: Sequence[LabelDoubt]) -> str:
    """The first ten doubts, one a line, and how many more there are."""
    more = [f"  and {len(doubts) - _SHOWN} more"] if len(doubts) > _SHOWN else []
    return "\n".join([*(f"  {doubt}" for doubt in doubts[:_SHOWN]), *more])
