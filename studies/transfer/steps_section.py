"""The section of the benchmark's page that answers the paper's question: does transfer in one or two stages help?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import get_args

import numpy as np

from studies.markdown import table
from studies.transfer.comparisons import Comparison
from studies.transfer.evaluations import Cell, Study
from studies.transfer.published import TESTS, published
from studies.transfer.replay import ReplayedRun
from studies.transfer.steps import STEPS

_STUDIES = get_args(Study)
_PAIRS = {
    ("step-1", "step-2"): "Formation energies (step I to II)",
    ("step-2", "step-3"): "AGL values on top of them (step II to III)",
    ("step-3", "step-3-seen"): "AGL values of the tested formulas too (step III to III seen)",
}


def question(cells: Sequence[Cell], comparisons: Sequence[Comparison], replayed: Sequence[ReplayedRun]) -> str:
    """The whole section; empty if no step has been computed."""
    steps = [cell for cell in cells if cell.model in STEPS]
    if not steps:
        return ""
    groups: dict[tuple[str, str, str], list[Cell]] = defaultdict(list)
    for cell in steps:
        groups[cell.train, cell.test, cell.model].append(cell)
    pairs = sorted({(TESTS.index(train), TESTS.index(test)) for train, test, _ in groups})
    return "\n\n".join(
        [
            "## Does transfer help?",
            "The paper's matrix, honestly: host, head, loss and splits of the paper; weights really loaded, one scale "
            "for all stages, the epoch chosen on a part of the training rows. Step I starts at random, step II from "
            "formation energies, step III from these and then AGL values without any formula of L96 or HH143; *III "
            "seen* keeps these formulas in AGL, as the paper does. † marks cells between AGL and DFT labels, which "
            "differ by more than a model's error.",
            _verdicts(comparisons),
            "![Mean |log10| error of each step](figures/benchmark_steps.png)",
            _errors(groups, pairs),
            _tests(comparisons),
            "### MAPE beside the published",
            "Mean and standard deviation over the runs; *published* is the table of the paper (with the mean of the "
            "released files of the runs in brackets where both exist). The published figures come from another "
            "protocol: see below.",
            _mapes(groups, pairs),
            _replay(replayed),
        ]
    ).replace("\n\n\n\n", "\n\n")


def _verdicts(comparisons: Sequence[Comparison]) -> str:
    lines = []
    for (first, second), what in _PAIRS.items():
        found: dict[str, list[str]] = {"helps": [], "hurts": [], "no difference shown": []}
        for c in _in_order(comparisons):
            if (c.first, c.second) != (first, second):
                continue
            low, high = c.paired.gain_interval
            verdict = "helps" if low > 0 else "hurts" if high < 0 else "no difference shown"
            found[verdict].append(f"{c.train} to {c.test}{_dagger(c.train, c.test)}")
        said = "; ".join(f"{verdict}: {', '.join(where)}" for verdict, where in found.items() if where)
        if said:
            lines.append(f"- **{what}** {said}.")
    return "\n".join(lines)


def _errors(groups: dict[tuple[str, str, str], list[Cell]], pairs: Sequence[tuple[int, int]]) -> str:
    rows = []
    for train, test in ((TESTS[i], TESTS[j]) for i, j in pairs):
        any_step = next(groups[train, test, step] for step in STEPS if groups.get((train, test, step)))
        rows.append(
            [
                train,
                test + _dagger(train, test),
                str(len(any_step)),
                f"{np.mean([c.metrics.n for c in any_step]):.0f}",
                f"{np.mean([c.n_left_out for c in any_step]):.0f}",
                *(_mean(groups.get((train, test, step), [])) for step in STEPS),
            ]
        )
    return "Mean |log10 error|, over all tested rows of the runs:\n\n" + table(
        ("train", "test", "runs", "n", "left out", "I", "II", "III", "III seen"), rows
    )


def _in_order(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The steps first, sets in the paper's order."""
    return sorted(
        comparisons,
        key=lambda c: (_STUDIES.index(c.study), TESTS.index(c.train), TESTS.index(c.test), c.split),
    )


def _tests(comparisons: Sequence[Comparison]) -> str:
    rows = [
        [
            f"{c.first} to {c.second}",
            c.train,
            c.test + _dagger(c.train, c.test),
            c.split + (f" ({c.n_splits})" if c.n_splits > 1 else ""),
            str(c.paired.n_formulas),
            f"{c.paired.gain:+.3f}",
            f"{c.paired.gain_interval[0]:+.3f} to {c.paired.gain_interval[1]:+.3f}",
            f"{c.paired.p_value:.1g}",
        ]
        for c in _in_order(comparisons)
    ]
    if not rows:
        return ""
    return (
        "### Paired tests\n\nThe same crystals of the same splits, errors of a formula averaged first. The gain is "
        "the mean |log10| error of the first less that of the second: positive if the second is better. Intervals by "
        "bootstrap over formulas, p by Wilcoxon's signed ranks, neither corrected for their number.\n\n"
        + table(("compared", "train", "test", "split", "formulas", "gain", "95 %", "p"), rows)
    )


def _mapes(groups: dict[tuple[str, str, str], list[Cell]], pairs: Sequence[tuple[int, int]]) -> str:
    rows = []
    for train, test in ((TESTS[i], TESTS[j]) for i, j in pairs):
        row = [train, test + _dagger(train, test)]
        for step in ("step-1", "step-2", "step-3"):
            ours = [cell.metrics.mape for cell in groups.get((train, test, step), [])]
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
        "### The released protocol, replayed\n\nNot a result: the public code's faults on purpose (`kappatune "
        "benchmark --replay`), to show where the published pattern comes from. No pretrained weight is ever loaded, so "
        "step II is step I with other random draws; the score is the best epoch on the split it is reported on; step "
        "III is the network of step II with labels and predictions read on AFLOW's scale. *Honest*: the same networks "
        "after the last epoch, read on their own scale.\n\n"
        + table(("train", "test", "step", "runs", "MAPE as reported", "published", "honest MAPE"), rows)
    )


def _dagger(train: str, test: str) -> str:
    return " †" if (train == "AFLOW") != (test == "AFLOW") else ""


def _mean(cells: Sequence[Cell]) -> str:
    if not cells:
        return "–"
    return f"{np.average([c.metrics.mean_abs_log10 for c in cells], weights=[c.metrics.n for c in cells]):.3f}"
