"""Learning curves of networks with other stages than AGL on the page of what helps: a paragraph and three tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

from studies.markdown import listed, table
from studies.phonix.cheap_stages import TrainedStage
from studies.phonix.curve_arms import ARMS, STAGE_ARMS
from studies.phonix.curve_pairs import STAGE_PAIRS
from studies.phonix.curve_worth import gain_over_sizes
from studies.phonix.curves_section import HUNDRED, Curves, errors_table, gains_table, labels_worth, numbers_of_labels

PLAIN, PAPER, AGAIN = "formation-energies", "formation-energies-agl", "agl-again"
SHOWN = (PLAIN, PAPER, *STAGE_ARMS)
"""The arms of the section: no further stage, AGL, and the others."""

_LEARNT = {
    "formation-energies-minimum-kappa": ("minimum κ", "harmonic minimum conductivity by DFT phonons, at 600 K"),
    "formation-energies-moduli": (
        "moduli",
        "bulk and shear modulus by DFT; Debye temperature, Grüneisen parameter and Slack's κ that isotropic elasticity "
        "makes of them",
    ),
    "formation-energies-semi-empirical": ("semi-empirical κ", "published semi-empirical conductivity"),
    "formation-energies-prototypes": (
        "AGL of our prototypes",
        "κ by AGL with a potential, of [our own prototypes](prototypes.md)",
    ),
    "formation-energies-agl": ("AGL", "κ by AGL, of AFLOW"),
    "formation-energies-agl-properties": (
        "AGL's properties",
        "κ by AGL, of AFLOW, and the Debye temperature, Grüneisen parameter and moduli behind it",
    ),
}
"""What a stage is called and learns, by the name of its model."""

_QUESTION = (
    "AGL is not the only cheap value that a network can learn after formation energies and before κ by DFT. Each stage "
    "below saw no tested formula, took as many steps as that of AGL, and was trained once. Labels, tested crystals and "
    "the small network on top are those from above, and the labels again correct κ of the last stage; for *moduli* "
    "alone there is none. *Slack's κ* is what the Slack formula gives with the Debye temperature and Grüneisen "
    "parameter that the stage predicts, or, *with one stiffness for all*, without a stage: then only masses, volumes "
    "and the number of atoms tell crystals apart."
)
_ANSWER = (
    "Another cheap κ as the target of a stage, be it the harmonic minimum, semi-empirical, or by AGL, helps with at "
    "most 500 labels, if at all; with more no gain is seen. What the Slack formula knows helps more: with one "
    "stiffness for all, from 50 labels to all of them; with what moduli by DFT or AGL's properties say of each "
    "crystal, more still, and most where labels are few. With all labels, masses, volumes and numbers of atoms are "
    "nearly all of it."
)
"""Holds while the stored results say so (`tests/studies/test_what_helps.py`)."""

_STARTS = {
    PLAIN: "In the mean over all N, against formation energies alone,",
    PAPER: "Before AGL, against AGL alone,",
    "slack": "Against Slack's κ with one stiffness for all,",
    "agl-slack": "Against AGL's properties and Slack's κ from them,",
}
_LIMITS = (
    "Tables of cheap values differ in their crystals and in how many there are; intervals are over the draws of the "
    "labels, not over trainings of a stage, and not corrected for the number of pairs."
)


def stages_section(curves: Curves, stages: Sequence[TrainedStage]) -> list[str]:
    """The section as Markdown; nothing without cells.

    Args:
        curves: Curves of the arms `SHOWN`.
        stages: What was learnt.
    """
    if not set(STAGE_ARMS) & set(curves.arms):
        return []
    missing = [f"*{ARMS[arm].title}*" for arm in curves.missing]
    sentences = [
        _QUESTION,
        *([] if missing else [_ANSWER]),
        *_verdicts(curves),
        *_again(curves),
        _LIMITS,
        *([f"Not computed yet: {', '.join(missing)}."] if missing else []),
    ]
    return [
        "### Other cheap values in between",
        " ".join(sentences),
        *_stages_table(stages),
        _verdicts_table(curves),
        errors_table(curves),
        gains_table(curves),
    ]


def _stages_table(stages: Sequence[TrainedStage]) -> list[str]:
    by_model = {stage.model: stage for stage in stages}
    rows = [
        [name, values, f"{found.n_rows:,}", f"{found.validation_error / math.log(10.0):.3f}"]
        for model, (name, values) in _LEARNT.items()
        if (found := by_model.get(model))
    ]
    if not rows:
        return []
    columns = ["stage", "learns", "crystals", "error on its own values"]
    return [
        "The stages, with the mean |log10 error| of their κ on the tenth of their formulas that chose the epoch:\n\n"
        + table(columns, rows)
    ]


def _pairs(curves: Curves) -> list[tuple[str, str]]:
    return [pair for pair in ((PLAIN, PAPER), *STAGE_PAIRS) if set(pair) <= set(curves.arms)]


def _verdicts(curves: Curves) -> list[str]:
    """Which arms are better than those they are compared with, which worse, and where no difference is seen."""
    return [
        sentence
        for base, start in _STARTS.items()
        if (pairs := [pair for pair in _pairs(curves) if pair[0] == base and pair[1] != AGAIN])
        for sentence in [f"{start} {_verdict(curves, pairs)}."]
    ]


def _verdict(curves: Curves, pairs: Sequence[tuple[str, str]]) -> str:
    gains = {_after(arm): gain_over_sizes(curves.cells, base, arm) for base, arm in pairs}
    better = [f"*{name}* ({mean:.3f})" for name, (mean, half) in gains.items() if mean > half]
    worse = [f"*{name}* ({-mean:.3f})" for name, (mean, half) in gains.items() if -mean > half]
    unseen = [f"*{name}*" for name, (mean, half) in gains.items() if abs(mean) <= half]
    clauses = [
        f"the error is lower after {listed(better)}" if better else "no stage lowers the error",
        *([f"higher after {listed(worse)}"] if worse else []),
        *([f"no difference is seen after {listed(unseen)}"] if unseen else []),
    ]
    return "; ".join(clauses)


def _after(arm: str) -> str:
    """What the network of an arm learns after formation energies."""
    return ARMS[arm].title.removeprefix(f"{ARMS[PLAIN].title}, then ") if arm != PLAIN else "formation energies alone"


def _again(curves: Curves) -> list[str]:
    if not {PAPER, AGAIN} <= set(curves.arms):
        return []
    change, half = gain_over_sizes(curves.cells, PAPER, AGAIN)
    most = max(abs(w.gain) for w in curves.worth((PAPER, AGAIN)))
    return [
        f"The AGL stage trained again, with another seed, changes the error by {abs(change):.3f} ± {half:.3f} in the "
        f"mean over all N, and by up to {most:.3f} at one N: differences that are no larger may be chance."
    ]


def _verdicts_table(curves: Curves) -> str:
    rows = []
    for base, arm in _pairs(curves):
        gain, half = gain_over_sizes(curves.cells, base, arm)
        worth = curves.worth((base, arm))
        gained, lost = [w.n for w in worth if w.is_seen], [w.n for w in worth if w.is_loss]
        rows.append(
            [
                _after(arm),
                _after(base),
                f"{round(gain, 3) + 0.0:+.3f} ± {half:.3f}",
                numbers_of_labels(gained) if gained else "none",
                numbers_of_labels(lost) if lost else "none",
                *(labels_worth(w) for w in worth if w.n == HUNDRED),
            ]
        )
    columns = ["after formation energies", "compared with", "gain", "seen at N", "worse at N", "100 labels are worth"]
    return (
        "Gain, mean over all N, with half the width of its 95 % interval over the draws; with which N it is seen, or "
        "the opposite; and labels without the stage that give the error of a hundred with it:\n\n"
        + table(columns, rows)
    )
