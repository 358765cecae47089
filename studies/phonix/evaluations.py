"""The stored result of one model on one protocol, for each tested set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kappatune.model.folds import Rows
from studies.phonix.labels import PHONIX_SET, TEXTBOOK, DftLabels
from studies.phonix.metrics import Intervals, PhonixMetrics, measure
from studies.phonix.predictions import ProtocolPredictions, rows_tested
from studies.store import RESULTS, Record, today, versions

PHONIX_RESULTS: Path = RESULTS / "phonix.jsonl"

ALL_SETS = "all sets"
"""Phonix, L96 and HH143 together."""

_TESTED_BY_SET = ("formula", "tetrahedral")
"""Protocols whose errors are given for each set."""


class PhonixEvaluation(Record):
    """One model tested on one set by one protocol.

    Attributes:
        record: Always `evaluation`.
        model: Name of the model, with the rung: `accurate dft`.
        protocol: As in `LabelSplit`; `shipped` for a model as it is, on formulas it has no DFT label of.
        tested: The set.
        n_left_out: Rows without a prediction.
        metrics: Over all folds together.
        seed: Of the model's first member; None for a shipped model.
        seconds: Time that training and predicting took, whenever that was; stages that all splits share not counted.
        date: ISO 8601.
        versions: Of Python and the libraries.
    """

    record: Literal["evaluation"] = "evaluation"
    model: str
    protocol: str
    tested: str
    n_left_out: int
    metrics: PhonixMetrics
    seed: int | None = None
    seconds: float
    date: str
    versions: dict[str, str]

    @property
    def name(self) -> str:
        """Model, protocol and tested set."""
        return f"{self.model}, {self.protocol}, {self.tested}"

    @property
    def summary(self) -> str:
        """One line for people."""
        m = self.metrics
        rank = "" if m.spearman is None else f", rank correlation {m.spearman:.2f}"
        held = "" if m.intervals is None else f", held {m.intervals.coverage:.2f}"
        return f"{self.name}: mean |log10| error {m.mean_abs_log10:.3f}, bias {m.bias_log10:+.2f}{rank}{held}, n {m.n}"


def evaluations(
    model: str,
    protocol: str,
    labels: DftLabels,
    predicted: ProtocolPredictions,
    *,
    half_widths: NDArray[np.float64] | None = None,
    seed: int,
) -> Iterator[PhonixEvaluation]:
    """Measures on each set that a protocol tests, and on all DFT sets together.

    Args:
        model: Name of the model.
        protocol: As in `LabelSplit`.
        labels: All labels.
        predicted: Its predictions.
        half_widths: (n,) of the intervals in ln kappa; None without intervals.
        seed: Of the model's first member.
    """
    for tested, rows in _tested_sets(protocol, labels, rows_tested(predicted)).items():
        yield evaluation_of(model, protocol, tested, labels, predicted, rows, half_widths, seed)


def evaluation_of(
    model: str,
    protocol: str,
    tested: str,
    labels: DftLabels,
    predicted: ProtocolPredictions,
    rows: Rows,
    half_widths: NDArray[np.float64] | None,
    seed: int,
) -> PhonixEvaluation:
    """Measures on some rows, which make up one tested set; the rest as in `evaluations`."""
    output = predicted.output
    middle, intervals = output.ln_kappa[rows], None
    if half_widths is not None:
        half, inside = half_widths[rows], output.distance[rows] <= 1
        intervals = Intervals(lower=np.exp(middle - half), upper=np.exp(middle + half), in_domain=inside)
    return PhonixEvaluation(
        model=model,
        protocol=protocol,
        tested=tested,
        n_left_out=0,
        metrics=measure(labels, rows, np.exp(middle), intervals),
        seed=seed,
        seconds=round(predicted.seconds, 1),
        date=today(),
        versions=versions(),
    )


def _tested_sets(protocol: str, labels: DftLabels, rows: Rows) -> dict[str, Rows]:
    """Rows of each set that errors are given for; sets of which no row is tested are left out."""
    sets = np.unique(labels.set_of) if protocol in _TESTED_BY_SET else np.array([PHONIX_SET])
    found = {str(name): rows[labels.set_of[rows] == name] for name in sets}
    found[ALL_SETS] = rows[labels.set_of[rows] != TEXTBOOK]
    return {name: of_set for name, of_set in found.items() if len(of_set)}
