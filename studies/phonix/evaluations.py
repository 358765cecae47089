"""The stored result of one model on one protocol, for each tested set."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from studies.phonix.metrics import PhonixMetrics
from studies.store import RESULTS, Record

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
