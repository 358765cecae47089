"""The section of the benchmark's page on the paper's question: does transfer in one or two stages help?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np

from studies.markdown import table
from studies.transfer.comparisons import PAIRS
from studies.transfer.evaluations import Evaluation, Study
from studies.transfer.goals import weighted_mean
from studies.transfer.multiple_tests import Finding, Shown, strictest_ratio
from studies.transfer.published import TESTS, published
from studies.transfer.replay import ReplayedRun
from studies.transfer.steps import STEPS

_STUDIES = get_args(Study)
_PAIRS = {
    ("step-1", "step-2"): "Formation energies (step I to II)",
    ("step-2", "step-3"): "AGL values on top of them (step II to III)",
    ("step-3", "step-3-seen"): "AGL values of the tested formulas too (step III to III seen)",
}

_Groups = dict[tuple[str, str, str], list[Evaluation]]
"""Evaluations by training set, test set and step."""


def steps_section(
    evaluations: Sequence[Evaluation],
    found: Sequence[Finding],
    replayed: Sequence[ReplayedRun],
    tested: Mapping[str, Any],
) -> str:
    """The whole section; empty if no step has been computed.

    Args:
        evaluations: Stored evaluations.
        found: What all paired tests show.
        replayed: Runs of the released protocol.
        tested: Rows of L96 that the paper's splits test (`studies.transfer.labels.families_tested`).
    """
    groups: _Groups = defaultdict(list)
    for e in evaluations:
        if e.model in STEPS:
            groups[e.train, e.test, e.model].append(e)
    if not groups:
        return ""
    pairs = sorted({(TESTS.index(train), TESTS.index(test)) for train, test, _ in groups})
    sets = [(TESTS[i], TESTS[j]) for i, j in pairs]
    parts = [
        "## Does transfer help?",
        "The paper's experiment without its faults: host, head, loss and splits of the paper; weights really loaded, "
        "one scale for all stages, the epoch chosen on a part of the training rows. Step I starts from random "
        "weights, step II from weights trained on formation energies, step III from those of step II trained on AGL "
        "values without any formula of L96 or HH143; *III seen* keeps these formulas among the AGL values, as the "
        "paper does. † marks tests between AGL and DFT labels, which differ by more than a model's error.",
        _findings(found),
        _tested(tested),
        "![Mean |log10| error of each step](figures/benchmark_steps.png)",
        _errors(groups, sets),
        _tests(found),
        "### MAPE beside the published",
        "Mean and standard deviation over the runs; *published* is the table of the paper (with the mean of the "
        "released files of the runs in brackets where both exist). The published numbers come from another protocol: "
        "see below.",
        _mapes(groups, sets),
        _replay(replayed),
    ]
    return "\n\n".join(part for part in parts if part)


def sets_by_finding(found: Sequence[Finding], pair: tuple[str, str]) -> dict[Shown, list[str]]:
    """Where a pair of steps shows a lower error, where a higher one, and where neither, with the detectable gain."""
    where: dict[Shown, list[str]] = {"lower error": [], "higher error": [], "no difference shown": []}
    for finding in in_order(found):
        c = finding.comparison
        if (c.first, c.second) == pair:
            limit = f" ({finding.detectable:.2f})" if finding.shown == "no difference shown" else ""
            where[finding.shown].append(f"{c.train} to {c.test}{_dagger(c.train, c.test)}{limit}")
    return {shown: sets for shown, sets in where.items() if sets}


def _findings(found: Sequence[Finding]) -> str:
    """One sentence per step: where it lowers the error, where it raises it, and where neither is shown."""
    lines = []
    for pair, subject in _PAIRS.items():
        text = "; ".join(f"{shown}: {', '.join(sets)}" for shown, sets in sets_by_finding(found, pair).items())
        if text:
            lines.append(f"- **{subject}.** {text[0].upper()}{text[1:]}.")
    if not lines:
        return ""
    return (
        f"A difference counts as shown if its p, corrected for all {len(found)} paired tests below (Holm), is below "
        "5 %. Where none is shown, the number in brackets is the gain that the test alone would have shown in four of "
        "five cases: a smaller one may be there.\n\n" + "\n".join(lines)
    )


def _tested(tested: Mapping[str, Any]) -> str:
    """Which rows of L96 the paper's splits test."""
    names = ", ".join(f"{count} {name}s" for name, count in tested["prototypes"].items())
    return (
        f"Of the {tested['in_all']} test rows of the {tested['runs']} runs of L96, {tested['unseen']} are left once "
        f"polymorphs of training rows are left out: {names}. What is said of L96 is said of rocksalts above all."
    )


def _errors(groups: _Groups, sets: Sequence[tuple[str, str]]) -> str:
    rows = []
    for train, test in sets:
        one_step = next(groups[train, test, step] for step in STEPS if (train, test, step) in groups)
        rows.append(
            [
                train,
                test + _dagger(train, test),
                str(len(one_step)),
                f"{np.mean([e.metrics.n for e in one_step]):.0f}",
                f"{np.mean([e.n_left_out for e in one_step]):.0f}",
                *(_mean_error(groups.get((train, test, step), [])) for step in STEPS),
            ]
        )
    return "Mean |log10 error|, over all tested rows of the runs:\n\n" + table(
        ("train", "test", "runs", "n", "left out", "I", "II", "III", "III seen"), rows
    )


def in_order(found: Sequence[Finding]) -> list[Finding]:
    """The steps first, sets in the paper's order, pairs in the order they are listed in."""

    def place(finding: Finding) -> tuple[int, int, int, str, int]:
        c = finding.comparison
        sets = TESTS.index(c.train), TESTS.index(c.test)
        return (_STUDIES.index(c.study), *sets, c.split, PAIRS.index((c.first, c.second)))

    return sorted(found, key=place)


def _tests(found: Sequence[Finding]) -> str:
    rows = []
    for finding in in_order(found):
        c = finding.comparison
        rows.append(
            [
                f"{c.first} to {c.second}",
                c.train,
                c.test + _dagger(c.train, c.test),
                c.split + (f" ({c.n_splits})" if c.n_splits > 1 else ""),
                str(c.paired.n_formulas),
                f"{c.paired.gain:+.3f}",
                f"{c.paired.gain_interval[0]:+.3f} to {c.paired.gain_interval[1]:+.3f}",
                f"{finding.detectable:.3f}",
                f"{c.paired.p_value:.1g}",
                f"{finding.corrected:.1g}",
                "" if finding.shown == "no difference shown" else finding.shown,
            ]
        )
    if not rows:
        return ""
    columns = ("compared", "train", "test", "split", "formulas", "gain", "95 %", "detectable", "p", "Holm", "shown")
    return (
        "### Paired tests\n\nErrors of two models on the same crystals of the same splits, averaged over each formula "
        "first. The gain is the mean |log10| error of the first less that of the second: positive if the second is "
        "better. Intervals by bootstrap over formulas, each for its test alone; p by Wilcoxon's signed-rank test. "
        f"*Holm*: p corrected for all {len(found)} tests of this table, so that the chance of even one false finding "
        "is below 5 %. Holm's method, and not that of Benjamini and Hochberg, because each finding is quoted by "
        "itself, and because the tests share crystals and models, which Holm's method allows for. *Detectable*: true "
        "gain that this test shows in four of five cases at a level of 5 %; at the strictest level of the correction "
        f"it is {strictest_ratio(len(found)):.1f} times that.\n\n" + table(columns, rows)
    )


def _mapes(groups: _Groups, sets: Sequence[tuple[str, str]]) -> str:
    rows = []
    for train, test in sets:
        row = [train, test + _dagger(train, test)]
        for step in ("step-1", "step-2", "step-3"):
            ours = [e.metrics.mape for e in groups.get((train, test, step), [])]
            theirs = published(step, train, test)
            row.append(f"{np.mean(ours):.2f} ± {np.std(ours):.2f}" if ours else "–")
            files = f" ({theirs.files:.2f})" if theirs and theirs.files is not None else ""
            row.append(f"{theirs.mean:.2f} ± {theirs.std:.2f}{files}" if theirs else "–")
        rows.append(row)
    return table(("train", "test", "I", "published", "II", "published", "III", "published"), rows)


def _replay(replayed: Sequence[ReplayedRun]) -> str:
    if not replayed:
        return ""
    groups: dict[tuple[str, str, str], list[ReplayedRun]] = defaultdict(list)
    for one in replayed:
        groups[one.train, one.test, one.step].append(one)
    rows = []
    for (train, test, step), runs in sorted(
        groups.items(), key=lambda item: (TESTS.index(item[0][0]), TESTS.index(item[0][1]), len(item[0][2]))
    ):
        theirs = published(f"step-{len(step)}", train, test)
        rows.append(
            [
                train,
                test,
                step,
                str(len(runs)),
                f"{np.mean([r.mape for r in runs]):.2f}",
                f"{theirs.mean:.2f}" if theirs else "–",
                f"{np.mean([r.honest_mape for r in runs]):.2f}",
            ]
        )
    return (
        "### The released protocol, replayed\n\nNot a result: the public code's faults, repeated on purpose (`python "
        "-m studies.transfer --replay`) to show where the published pattern comes from. No pretrained weight is ever "
        "loaded, so step II is step I with other random draws; the score is that of the best epoch on the split it is "
        "reported on; step III is the network of step II, its predictions and the labels unscaled with AFLOW's scale. "
        "*Honest*: the same networks after the last epoch, each set unscaled with its own scale.\n\n"
        + table(("train", "test", "step", "runs", "MAPE as reported", "published", "honest MAPE"), rows)
    )


def _dagger(train: str, test: str) -> str:
    return " †" if (train == "AFLOW") != (test == "AFLOW") else ""


def _mean_error(evaluations: Sequence[Evaluation]) -> str:
    return f"{weighted_mean(evaluations, 'mean_abs_log10'):.3f}" if evaluations else "–"
