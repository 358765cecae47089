"""The stored result of one model on one protocol, for each tested set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kappatune.model.intervals import INTERVAL_SIGMAS
from studies.phonix.labels import PHONIX_SET, TEXTBOOK, DftLabels
from studies.phonix.metrics import Intervals, PhonixMetrics, measure
from studies.store import RESULTS, Record, today, versions

PHONIX_RESULTS: Path = RESULTS / "phonix.jsonl"


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
        seconds: Wall time.
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
        return f"{self.name}: mean |log10| error {m.mean_abs_log10:.3f}, bias {m.bias_log10:+.2f}{rank}, n {m.n}"


def evaluations(
    model: str,
    protocol: str,
    labels: DftLabels,
    ln_kappa: NDArray[np.float64],
    spread: NDArray[np.float64],
    in_domain: NDArray[np.bool_],
    *,
    seed: int,
    seconds: float,
) -> Iterator[PhonixEvaluation]:
    """Measures on each set that a protocol tests, with 90 % intervals of a normal distribution.

    Args:
        model: Name of the model.
        protocol: As in `LabelSplit`.
        labels: All labels.
        ln_kappa: (n,) predicted ln kappa of every row, NaN where none was tested.
        spread: (n,) its standard deviation.
        in_domain: (n,) whether a row lies in the domain.
        seed: Of the model's first member.
        seconds: Wall time.
    """
    for tested in np.unique(labels.set_of[labels.set_of != TEXTBOOK]):
        rows = np.flatnonzero((labels.set_of == tested) & np.isfinite(ln_kappa))
        if not len(rows) or (tested != PHONIX_SET and protocol not in ("formula", "tetrahedral")):
            continue
        middle, half = ln_kappa[rows], INTERVAL_SIGMAS * spread[rows]
        intervals = Intervals(lower=np.exp(middle - half), upper=np.exp(middle + half), in_domain=in_domain[rows])
        yield PhonixEvaluation(
            model=model,
            protocol=protocol,
            tested=str(tested),
            n_left_out=0,
            metrics=measure(labels, rows, np.exp(middle), intervals),
            seed=seed,
            seconds=round(seconds, 1),
            date=today(),
            versions=versions(),
        )
