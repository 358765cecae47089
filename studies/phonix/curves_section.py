"""The learning curves on the page of what helps: ten sentences, a figure and three tables, from stored cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from studies.markdown import listed, table
from studies.phonix.curve_arms import ARMS, CHIEF_ARMS
from studies.phonix.curve_learners import fit_network
from studies.phonix.curve_pairs import PAIRS, SENTENCES, STAGE_PAIRS
from studies.phonix.curve_worth import LabelsWorth, errors, mean_and_half_width, worth_of
from studies.phonix.family_curves_section import FamilyCurves, family_section, family_sentence
from studies.phonix.learning_curves import N_DRAWS, CurveCell

FIGURE = "learning_curves.png"

HUNDRED = 100

_REMARKS = {"formation-energies-agl": ", the paper's two stages,"}

_COLOURS = {
    "trees": "#999999",
    "trees-agl": "#009e73",
    "process": "#666666",
    "process-agl": "#0072b2",
    "nothing": "#000000",
    "formation-energies": "#e69f00",
    "agl": "#56b4e9",
    "formation-energies-agl": "#cc79a7",
    "physics": "#d55e00",
}


class Curves:
    """The stored cells, as far as all draws of an arm and a number of labels are there.

    Attributes:
        cells: These cells.
        n_tested: Tested crystals.
        sizes: Numbers of labels, ascending.
        arms: Arms with cells of all these numbers.
        missing: The other arms that are shown.
        errors: (draws,) mean |log10| errors, by arm and number of labels.
    """

    def __init__(self, cells: Sequence[CurveCell], shown: Iterable[str] = CHIEF_ARMS) -> None:
        found = {arm: errors(cells, arm) for arm in shown}
        full = {arm: {n for n, draws in curve.items() if len(draws) == N_DRAWS} for arm, curve in found.items()}
        most = max(map(len, full.values()))
        self.sizes = sorted(next(sizes for sizes in full.values() if len(sizes) == most))
        self.arms = [arm for arm in found if full[arm] >= set(self.sizes)]
        self.missing = [arm for arm in found if arm not in self.arms]
        self.cells = [cell for cell in cells if cell.arm in self.arms and cell.n in self.sizes]
        self.errors = {arm: {n: found[arm][n] for n in self.sizes} for arm in self.arms}
        self.n_tested = max((cell.n_tested for cell in cells), default=0)

    @property
    def answer_the_question(self) -> bool:
        """Whether two arms can be compared at a hundred labels."""
        return HUNDRED in self.sizes and bool(self.pairs)

    @property
    def n_most(self) -> int:
        """Most labels."""
        return self.sizes[-1]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Those of `PAIRS` and `STAGE_PAIRS` both of whose arms are complete."""
        return [pair for pair in (*PAIRS, *STAGE_PAIRS) if set(pair) <= set(self.arms)]

    def error(self, arm: str, n: int) -> str:
        """Mean error of an arm over the draws."""
        return f"{self.errors[arm][n].mean():.3f}"

    def worth(self, pair: tuple[str, str]) -> list[LabelsWorth]:
        """What the second arm has beyond the first, by the number of labels."""
        return worth_of(self.cells, *pair)


def curves_section(curves: Curves, agreement: Mapping[str, Any], families: FamilyCurves) -> str:
    """The section as Markdown.

    Args:
        curves: Curves that answer the question.
        agreement: How far a second calculation of the same crystals is, of Phonix and L96.
        families: Errors with a family left out.
    """
    sentences = [
        *_question(curves),
        *(_hundred(curves, pairs) for pairs in SENTENCES if set(pairs) & set(curves.pairs)),
        _end(curves, agreement),
        *family_sentence(families),
        *_limits(curves),
    ]
    return "\n\n".join(
        [
            "## How many DFT labels is a cheap value worth?",
            " ".join(sentences),
            f"![Error against the number of DFT labels](figures/{FIGURE})",
            errors_table(curves),
            _worth_table(curves),
            gains_table(curves),
            *family_section(families),
        ]
    )


def _question(curves: Curves) -> list[str]:
    return [
        "A formation energy is cheap to compute, a conductivity by a Debye-Grüneisen model (AGL) costs more, and one "
        "by DFT and phonons far more: how many of the expensive values do the cheap ones save?",
        "Each model here learns the same N conductivities of Phonix and is tested on the same "
        f"{curves.n_tested} crystals, whose formulas are in no table of AGL or DFT values that it learnt (published "
        f"networks may know their formation energies or bulk moduli); {N_DRAWS} draws of the N labels give the 95 % "
        "intervals.",
    ]


def _hundred(curves: Curves, pairs: Sequence[tuple[str, str]]) -> str:
    clauses, said = [], None
    for pair in pairs:
        if pair in curves.pairs:
            clauses.append(_clause(curves, pair, is_said=pair[1] == said))
            said = pair[1]
    text = "; ".join(clauses)
    return f"{text[0].upper()}{text[1:]}."


def _clause(curves: Curves, pair: tuple[str, str], *, is_said: bool) -> str:
    """What a hundred labels are worth for the second arm, which the clause before may have named."""
    without, with_it = (ARMS[arm].title for arm in pair)
    start = "they are" if is_said else f"for *{with_it}*{_REMARKS.get(pair[1], '')} a hundred labels are"
    worth = curves.worth(pair)
    at = next(w for w in worth if w.n == HUNDRED)
    means = f"mean error {curves.error(pair[1], HUNDRED)} against {curves.error(pair[0], HUNDRED)} with the same labels"
    return f"{start} worth {labels_worth(at)} for *{without}* ({means}), and {_seen(worth)}"


def labels_worth(worth: LabelsWorth) -> str:
    """Labels that give the same error without what is known beforehand, with their interval."""
    if worth.at_least is None:
        return f"more than all {worth.n_most:,}"
    if worth.labels is None or worth.low is None or worth.high is None:
        return f"at least {_rounded(worth.at_least)}"
    return f"{_rounded(worth.labels)} ({_rounded(worth.low)} to {_rounded(worth.high)})"


def _rounded(labels: float) -> str:
    return f"{float(f'{labels:.2g}'):,.0f}"


def _seen(worth: Sequence[LabelsWorth]) -> str:
    lost = [w.n for w in worth if w.is_loss]
    return _gain_seen(worth) + (f"; at N = {numbers_of_labels(lost)} it is worse" if lost else "")


def numbers_of_labels(labels: Sequence[int]) -> str:
    """Several numbers of labels as the pages write them."""
    return listed(f"{n:,}" for n in labels)


def _gain_seen(worth: Sequence[LabelsWorth]) -> str:
    seen = [w.n for w in worth if w.is_seen]
    if not seen:
        return "no gain is seen at any N"
    if len(seen) == len(worth):
        return f"the gain is still seen with all {seen[-1]:,}"
    if len(seen) == sum(w.n <= seen[-1] for w in worth):
        return f"beyond {seen[-1]:,} labels no gain is seen"
    return f"a gain is seen at N = {numbers_of_labels(seen)}, at no other N"


def _end(curves: Curves, agreement: Mapping[str, Any]) -> str:
    final = sorted(curves.arms, key=lambda arm: curves.errors[arm][curves.n_most].mean())
    best, worst = final[0], final[-1]
    return (
        f"With all {curves.n_most:,} labels errors lie between {curves.error(best, curves.n_most)} "
        f"(*{ARMS[best].title}*) and {curves.error(worst, curves.n_most)} (*{ARMS[worst].title}*); two calculations of "
        f"the crystals that are in both Phonix and L96 differ by {agreement['mean_abs_log10']:.2f}."
    )


def _limits(curves: Curves) -> list[str]:
    missing = [f"*{ARMS[arm].title}*" for arm in curves.missing]
    return [
        "The networks are heads on embeddings that the labels do not change, one member each, and the intervals say "
        "how much the draw of the labels matters (with all labels, the seed alone), not the choice of tested crystals; "
        "the physics head also has another host and element statistics, so its gain is not of AGL alone.",
        *([f"Not computed yet: {', '.join(missing)}."] if missing else []),
    ]


def errors_table(curves: Curves) -> str:
    """Mean errors of each arm by the number of labels."""
    rows = []
    for arm in curves.arms:
        spread = [mean_and_half_width(curves.errors[arm][n]) for n in curves.sizes]
        rows.append([ARMS[arm].title, *(f"{mean:.3f} ± {half:.3f}" for mean, half in spread)])
    return (
        "Mean |log10 error|, with half the width of its 95 % interval over the draws, by the number of labels "
        "(`python -m studies.phonix.learning_curves --data FOLDER`):\n\n"
        + table(["model", *(f"{n:,}" for n in curves.sizes)], rows)
    )


def _worth_table(curves: Curves) -> str:
    rows = [
        [f"{ARMS[pair[1]].title}, over {ARMS[pair[0]].title}", *(labels_worth(w) for w in curves.worth(pair))]
        for pair in curves.pairs
    ]
    return (
        "What N labels are worth: labels with which the second-named model has the same error, with the 95 % interval; "
        "*at least* where it needs more than all in some draws:"
        "\n\n" + table(["models", *(f"{n:,}" for n in curves.sizes)], rows)
    )


def gains_table(curves: Curves) -> str:
    """Gains with the same labels, by pair."""
    rows = [
        [f"{ARMS[pair[1]].title}, over {ARMS[pair[0]].title}", *(_gain(w) for w in curves.worth(pair))]
        for pair in curves.pairs
    ]
    return (
        "Gain with the same N labels: mean |log10 error| of the second-named model less that of the first, with the "
        "95 % interval; a gain is *seen* where this lies above zero:\n\n"
        + table(["models", *(f"{n:,}" for n in curves.sizes)], rows)
    )


def _gain(worth: LabelsWorth) -> str:
    return f"{worth.gain:+.3f} ({worth.gain_low:+.3f} to {worth.gain_high:+.3f})"


def draw_curves(curves: Curves, folder: Path) -> Path:
    """Draw the mean errors and their intervals over N, networks beside trees and processes, into a folder."""
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    networks = [arm for arm in curves.arms if ARMS[arm].learner is fit_network]
    others = [arm for arm in curves.arms if arm not in networks]
    for axis, arms in zip(axes, (others, networks), strict=True):
        for arm in arms:
            sizes = list(curves.errors[arm])
            means, halves = zip(*(mean_and_half_width(curves.errors[arm][n]) for n in sizes), strict=True)
            axis.errorbar(
                sizes, means, halves, color=_COLOURS[arm], marker="o", markersize=4, capsize=2, label=ARMS[arm].title
            )
        axis.set(xscale="log", yscale="log", xlabel="DFT labels learnt")
        axis.set_yticks([0.15, 0.2, 0.3, 0.4, 0.5], ["0.15", "0.2", "0.3", "0.4", "0.5"])
        axis.minorticks_off()
        axis.set_xticks(curves.sizes, [f"{n}" for n in curves.sizes], rotation=45)
        axis.grid(color="0.9")
        if arms:
            axis.legend(frameon=False, fontsize=8)
    axes[0].set_ylabel("mean |log10 error| of κ")
    path = folder / FIGURE
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    return path
