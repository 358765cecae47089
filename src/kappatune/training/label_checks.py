"""Doubts about the labels of a training: duplicates, conflicts, shifted tables, outliers.

The yardstick is the model that a training starts from, on the rung of the values' fidelity where it has one, otherwise
on its default rung. A recipe that starts from a host is measured by the shipped model `fast`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from kappatune.model.kappa_model import KappaModel
from kappatune.model.prediction import Prediction
from kappatune.progress import ignore
from kappatune.structures.same_crystal import same_crystals
from kappatune.structures.table import Fidelity, LabelledCrystal
from kappatune.training.label_doubts import LabelDoubt
from kappatune.training.label_units import Shift, find_shift, seem_logarithms
from kappatune.training.rows import PreparedStage

CONFLICT_FACTOR = 1.5
"""Two values of one crystal that differ by more contradict each other."""

_YARDSTICK = "fast"
_OUTLIER_FACTOR = 5.0
_OUTLIER_WIDTHS = 1.5
_WORTH_A_LOOK = math.log(2.5)
_SHIFTED_TABLE = math.log(2)
_UNKNOWN_HALF_WIDTH = math.log(3)
_FEWEST_FOR_MEDIAN = 5
_SHOWN_ROWS = 5


@dataclass(frozen=True)
class _Label:
    """A row of a stage: where it stands, and what the model expects of it.

    Attributes:
        row: Crystal and value.
        table: Index of its table.
        number: Number in the table, counted from 1.
        expected_w_mk: By one member of the model, W/(m K); by all members where `prediction` is given.
        prediction: By all members, for rows that need a closer look.
    """

    row: LabelledCrystal
    table: int
    number: int
    expected_w_mk: float | None = None
    prediction: Prediction | None = None

    @property
    def ln_ratio(self) -> float:
        """Logarithm of value over expectation; NaN without an expectation."""
        return math.log(self.row.kappa / self.expected_w_mk) if self.expected_w_mk else math.nan

    @property
    def half_width(self) -> float:
        """Half-width of the interval in ln kappa."""
        lower, upper = self.interval
        return math.log(upper / lower) / 2 if lower and upper else _UNKNOWN_HALF_WIDTH

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """Ends of the interval, W/(m K)."""
        return (self.prediction.lower_w_mk, self.prediction.upper_w_mk) if self.prediction else (None, None)

    def fields(self) -> dict[str, Any]:
        """What a doubt says of this row."""
        crystal, (lower, upper) = self.row.crystal, self.interval
        return {
            "row": self.number,
            "id": crystal.id,
            "file": crystal.file,
            "formula": crystal.formula,
            "kappa_w_mk": self.row.kappa,
            "expected_w_mk": self.expected_w_mk,
            "lower_w_mk": lower,
            "upper_w_mk": upper,
        }


def doubtful_labels(prepared: PreparedStage, start: KappaModel | None) -> list[LabelDoubt]:
    """What is doubtful in the labels of a stage; nothing if it pretrains, for then it does not use them.

    Values of different fidelities are not compared with each other.

    Args:
        prepared: The stage with its rows.
        start: The model that the training starts from, if there is one.

    Returns:
        The grave doubts first, otherwise in the order of the checks and of the rows.
    """
    if prepared.stage.pretrain:
        return []
    model = start or _shipped_yardstick()
    by_fidelity = defaultdict(list)
    for label in _labels(prepared):
        by_fidelity[label.row.fidelity].append(label)
    doubts = [*_logarithms(prepared)]
    for fidelity, labels in by_fidelity.items():
        pairs = _repeated(labels)
        measured = _with_expectations(labels, model, fidelity, {k for pair in pairs for k in pair})
        doubts += [_repetition(prepared, measured[first], measured[second]) for first, second in pairs]
        for index in range(len(prepared.tables)):
            doubts += _against_model(prepared, [label for label in measured if label.table == index], model)
    return sorted(doubts, key=lambda doubt: not doubt.is_grave)


@cache
def _shipped_yardstick() -> KappaModel:
    return KappaModel.load(_YARDSTICK)


def _labels(prepared: PreparedStage) -> Iterator[_Label]:
    """The rows of a stage; those of a table in memory are numbered by their place in it."""
    places = {id(row): k for table in prepared.tables for k, row in enumerate(table.rows, 1)}
    for table, row in prepared.usable:
        yield _Label(row, table, row.number or places[id(row)])


def _with_expectations(
    labels: Sequence[_Label], model: KappaModel, fidelity: Fidelity, always: Collection[int]
) -> list[_Label]:
    """The labels with what a model expects: by one member, and by all where that one is apart, or as asked for."""
    rung = fidelity if fidelity in model.card.fidelities else model.default_fidelity
    quick = KappaModel(model.card, model.members[:1], model.domains, str(model.device))
    crystals = [label.row.crystal for label in labels]
    first = quick.predict(crystals, rung, on_progress=ignore)
    measured = [replace(label, expected_w_mk=row.kappa_w_mk) for label, row in zip(labels, first, strict=True)]
    middle = {table: _median([label for label in measured if label.table == table]) for table in _tables(labels)}
    apart = [k for k, label in enumerate(measured) if abs(label.ln_ratio - middle[label.table]) > _WORTH_A_LOOK]
    chosen = sorted({*apart, *always})
    for k, row in zip(chosen, model.predict([crystals[k] for k in chosen], rung, on_progress=ignore), strict=True):
        measured[k] = replace(measured[k], expected_w_mk=row.kappa_w_mk, prediction=row)
    return measured


def _tables(labels: Sequence[_Label]) -> set[int]:
    return {label.table for label in labels}


def _median(labels: Sequence[_Label]) -> float:
    """Median of ln of value over expectation; 0 where a handful of rows says nothing of their table."""
    ratios = [label.ln_ratio for label in labels if label.expected_w_mk]
    return float(np.median(ratios)) if len(ratios) >= _FEWEST_FOR_MEDIAN else 0.0


def _logarithms(prepared: PreparedStage) -> Iterator[LabelDoubt]:
    """Tables whose values at zero and below show that the others are logarithms, too."""
    for index, table in enumerate(prepared.tables):
        kappa = np.array([row.kappa for k, row in prepared.usable if k == index])
        if seem_logarithms(table.not_positive, kappa):
            doubt = (
                f"{len(table.not_positive)} values are zero or below, and none of the others is above 10: they seem to "
                "be logarithms; give conductivities in W/(m K)"
            )
            yield LabelDoubt("shift", prepared.stage.name, table.name, prepared.fidelity, doubt, is_grave=True)


def _repeated(labels: Sequence[_Label]) -> list[tuple[int, int]]:
    """Each label of a crystal that is there before, after the one among these whose value is farthest from its own."""
    pairs = []
    for group in same_crystals([label.row.crystal for label in labels]):
        ln_kappa = [math.log(labels[k].row.kappa) for k in group]
        for place in range(1, len(group)):
            farthest = max(range(place), key=lambda before: abs(ln_kappa[before] - ln_kappa[place]))
            pairs.append((group[farthest], group[place]))
    return sorted(pairs, key=lambda pair: pair[1])


def _repetition(prepared: PreparedStage, before: _Label, label: _Label) -> LabelDoubt:
    """A duplicate, or a conflict."""
    ratio = label.row.kappa / before.row.kappa
    factor = max(ratio, 1 / ratio)
    is_conflict = factor > CONFLICT_FACTOR
    names = [table.name for table in prepared.tables]
    place = f"row {before.number}" if before.table == label.table else f"{names[before.table]}, row {before.number}"
    same = f"{label.row.kappa:.6g} W/(m K), the same crystal as {place} with {before.row.kappa:.6g}"
    return LabelDoubt(
        kind="conflict" if is_conflict else "duplicate",
        stage=prepared.stage.name,
        table=names[label.table],
        fidelity=label.row.fidelity,
        doubt=f"{same}: a factor of {factor:.3g} apart" if is_conflict else f"{same}: it counts twice",
        is_grave=is_conflict and before.table == label.table,
        factor=ratio,
        other_table=names[before.table],
        other_rows=(before.number,),
        **label.fields(),
    )


def _against_model(prepared: PreparedStage, labels: Sequence[_Label], model: KappaModel) -> Iterator[LabelDoubt]:
    """A shift of the labels of one table and fidelity, and the outliers among them."""
    known = [label for label in labels if label.expected_w_mk]
    if not known:
        return
    stage, table, fidelity = prepared.stage.name, prepared.tables[known[0].table].name, known[0].row.fidelity
    kappa, expected = np.array([(label.row.kappa, label.expected_w_mk) for label in known]).T
    shift = find_shift(kappa, expected)
    part = shift.part if shift else None
    if shift:
        numbers = tuple(known[k].number for k in part or ())
        doubt = _shift_in_words(shift, len(known), numbers, model.card.name)
        yield LabelDoubt(
            "shift", stage, table, fidelity, doubt, shift.is_grave, factor=shift.factor, other_rows=numbers
        )
    if shift and shift.other_quantity:
        return
    middle = _median(known)
    middle = middle if abs(middle) > _SHIFTED_TABLE else 0.0
    for k, label in enumerate(known):
        apart = abs(label.ln_ratio - middle)
        if apart > max(math.log(_OUTLIER_FACTOR), _OUTLIER_WIDTHS * label.half_width) and k not in (part or ()):
            doubt = _outlier_in_words(label, middle, model.card.name)
            factor = math.exp(label.ln_ratio)
            yield LabelDoubt("outlier", stage, table, fidelity, doubt, is_grave=False, factor=factor, **label.fields())


def _shift_in_words(shift: Shift, n: int, rows: Sequence[int], model: str) -> str:
    if rows:
        shown = ", ".join(map(str, rows[:_SHOWN_ROWS])) + (", ..." if len(rows) > _SHOWN_ROWS else "")
        which = f"{len(rows)} of its {n} values (rows {shown}) are"
    else:
        which = f"its {n} values are"
    apart = f"{which} {_times(shift.factor)} what the model '{model}' expects (median)"
    if not shift.is_grave:
        return apart + (f"; taken as {shift.meaning.what} they would agree" if shift.meaning else "")
    if shift.meaning is None:
        return f"{apart}, and no usual unit explains it: check the unit, which has to be W/(m K), and the column"
    return f"{apart}: they seem to be {shift.meaning.what}; give conductivities in W/(m K)"


def _outlier_in_words(label: _Label, middle: float, model: str) -> str:
    lower, upper = label.interval
    interval = f" ({lower:.3g} to {upper:.3g})" if lower and upper else ""
    table = f"; the table as a whole is {_times(math.exp(middle))} what it expects" if middle else ""
    return (
        f"{label.row.kappa:.6g} W/(m K), where the model '{model}' expects {label.expected_w_mk:.3g}{interval}{table}"
    )


def _times(factor: float) -> str:
    """A factor in words: `1,040 times`, `1/98 of`."""
    return f"{_rounded(factor)} times" if factor >= 1 else f"1/{_rounded(1 / factor)} of"


def _rounded(factor: float) -> str:
    return f"{factor:,.0f}" if factor >= 10 else f"{factor:.2g}"
