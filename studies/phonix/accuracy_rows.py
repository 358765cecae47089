"""The figures that the accuracy of the models is judged by: what is measured, with goals and published numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from studies.phonix.evaluations import ALL_SETS
from studies.phonix.labels import PHONIX_SET, TEXTBOOK
from studies.phonix.measured import ALL_MEASURED
from studies.phonix.metrics import PhonixMetrics


@dataclass(frozen=True)
class Figure:
    """One row of the table.

    Attributes:
        title: In words.
        protocol: As in `LabelSplit`.
        tested: The set.
        goal: At most this, or at least if `is_least`.
        value: Which number of the metrics.
        is_least: Whether larger is better.
        digits: Decimals shown.
        published: What others reached, with a letter that names the work.
        noise: Pair of sets of labels whose difference is the noise; None where it is not an error of kappa.
        rung: Which one is tested.
    """

    title: str
    protocol: str
    tested: str
    goal: float
    value: Callable[[PhonixMetrics], float | None] = lambda metrics: metrics.mean_abs_log10
    is_least: bool = False
    digits: int = 3
    published: str = "–"
    noise: str | None = None
    rung: str = "dft"

    def shown(self, metrics: PhonixMetrics | None) -> str:
        """The number of some metrics, or a dash."""
        value = None if metrics is None else self.value(metrics)
        return "–" if value is None else self._number(value)

    @property
    def goal_text(self) -> str:
        """The goal with its sign."""
        return f"{'≥' if self.is_least else '≤'} {self._number(self.goal)}"

    def is_met(self, metrics: PhonixMetrics) -> bool:
        """Whether some metrics reach the goal."""
        value = self.value(metrics)
        return value is not None and (value >= self.goal if self.is_least else value <= self.goal)

    def _number(self, value: float) -> str:
        return f"{100 * value:.0f} %" if self.digits < 0 else f"{value:.{self.digits}f}"


FIGURES = (
    Figure("Phonix, 5 folds by formula", "formula", PHONIX_SET, 0.145, noise="L96, Phonix"),
    Figure(
        "Phonix, 5 random folds, other rows of a formula stay in",
        "random",
        PHONIX_SET,
        0.135,
        published="0.159, with DFT bonding 0.154 (a)",
        noise="L96, Phonix",
    ),
    Figure(
        "Phonix, whole prototypes out, 5 folds",
        "prototype",
        PHONIX_SET,
        0.165,
        published="space groups disjoint 0.215 (b)",
        noise="L96, Phonix",
    ),
    Figure("Phonix, anions out, 8 folds", "anion", PHONIX_SET, 0.18, noise="L96, Phonix"),
    Figure(
        "Trained on rows above 0.8 W/(m K), tested on the others",
        "low",
        PHONIX_SET,
        0.40,
        published="0.433, tested below 1 (b)",
        noise="L96, Phonix",
    ),
    Figure("L96, by formula", "formula", "L96", 0.15, noise="L96"),
    Figure("HH143, by formula", "formula", "HH143", 0.14, noise="HH143"),
    Figure("Diamonds, zincblendes and wurtzites out of everything", "tetrahedral", ALL_SETS, 0.30, noise="L96"),
    Figure(
        "Measured values of textbook crystals and Heuslers, by formula, rung `experiment`",
        "formula",
        ALL_MEASURED,
        0.22,
        noise="HH143, measured",
        rung="experiment",
    ),
    *(
        figure
        for rung in ("dft", "experiment")
        for figure in (
            Figure(
                f"Textbook crystals, by formula, rung `{rung}`: within a factor of 2",
                "formula",
                TEXTBOOK,
                0.80,
                lambda metrics: metrics.within_2,
                is_least=True,
                digits=-1,
                rung=rung,
            ),
            Figure(
                f"Of these, those below 3 W/(m K), rung `{rung}`: within a factor of 3",
                "formula",
                TEXTBOOK,
                0.80,
                lambda metrics: metrics.below_3_within_3,
                is_least=True,
                digits=-1,
                rung=rung,
            ),
        )
    ),
    Figure(
        "Phonix, by formula: of the 100 predicted lowest, truly below 1 W/(m K)",
        "formula",
        PHONIX_SET,
        95,
        lambda metrics: metrics.below_1_of_100_lowest,
        is_least=True,
        digits=0,
    ),
    Figure(
        "Phonix, by formula: enrichment of the lowest 5 % in the predicted lowest 5 %",
        "formula",
        PHONIX_SET,
        10,
        lambda metrics: metrics.enrichment_lowest,
        is_least=True,
        digits=1,
    ),
)
