"""Stored cells of the benchmark as pages quote them: errors, and what a paired test shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from studies.transfer.comparisons import split_kind
from studies.transfer.evaluations import Evaluation
from studies.transfer.goals import weighted_mean
from studies.transfer.multiple_tests import Finding, Shown

_WORDS: dict[Shown, str] = {"lower error": "lower", "higher error": "higher", "no difference shown": "not shown"}


class Where(NamedTuple):
    """Which evaluations a number is taken from.

    Attributes:
        train: Name of the training set.
        test: Name of the test set.
        split: Kind of the splits.
    """

    train: str
    test: str
    split: str = "run"

    @property
    def name(self) -> str:
        """`L96`, or `L96 to HH143`."""
        return self.train if self.train == self.test else f"{self.train} to {self.test}"


class Cells:
    """Errors and findings of the benchmark, looked up one by one."""

    def __init__(self, evaluations: Sequence[Evaluation], found: Sequence[Finding]) -> None:
        self._evaluations = evaluations
        self._findings = {(_key(f), f.comparison.first, f.comparison.second): f for f in found}

    def metric(self, model: str, where: Where, metric: str = "mean_abs_log10") -> float:
        """A metric of a model, over all splits of a kind.

        Raises:
            KeyError: No such evaluation is stored.
        """
        found = [
            e
            for e in self._evaluations
            if (e.model, e.train, e.test, split_kind(e.split)) == (model, where.train, where.test, where.split)
        ]
        if not found:
            raise KeyError(f"no evaluation of {model} on {where} is stored")
        return weighted_mean(found, metric)

    def change(self, first: str, second: str, where: Where) -> str:
        """`0.541 to 0.315`: the errors of two models."""
        return f"{self.metric(first, where):.3f} to {self.metric(second, where):.3f}"

    def finding(self, first: str, second: str, where: Where) -> Finding:
        """What the paired test of two models shows.

        Raises:
            KeyError: They were not compared there.
        """
        return self._findings[where, first, second]

    def shown(self, first: str, second: str, places: Sequence[Where]) -> str:
        """In words, for each place: what the second model does to the error of the first, and what could be missed."""
        parts = []
        for wanted, words in _WORDS.items():
            here = [w for w in places if self.finding(first, second, w).shown == wanted]
            if here:
                quoted = [self._quoted(first, second, w, wanted == "no difference shown") for w in here]
                parts.append(f"{words} for {', '.join(quoted)}")
        return "; ".join(parts)

    def _quoted(self, first: str, second: str, where: Where, missed: bool) -> str:
        detectable = self.finding(first, second, where).detectable
        limit = f"; from a gain of {detectable:.2f}" if missed else ""
        return f"{where.name} ({self.change(first, second, where)}{limit})"


def _key(finding: Finding) -> Where:
    c = finding.comparison
    return Where(c.train, c.test, c.split)
