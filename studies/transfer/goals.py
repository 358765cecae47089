"""The goals that were set for `accurate`, and what the shipped models reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from studies.markdown import table
from studies.transfer.comparisons import split_kind
from studies.transfer.evaluations import Evaluation


class Goal(NamedTuple):
    """A goal that was set for `accurate`.

    Attributes:
        description: In words.
        study: Study of its evaluations.
        train: Name of the training set.
        test: Name of the test set.
        split: Kind of their splits.
        metric: A field of `Metrics`, or `ln` for the mean |ln| error.
        limit: Largest value that meets the goal; of a rank correlation, the smallest.
    """

    description: str
    study: str
    train: str
    test: str
    split: str
    metric: str
    limit: float


_LOG10, _MAPE = "mean abs log10 error", "MAPE"
_FAMILIES = "other families (here: each left out)"

GOALS = (
    Goal("AGL, formulas not seen (5 folds): mean abs ln error", "aflow", "AFLOW", "AFLOW", "formula", "ln", 0.18),
    Goal("AGL, CrabNet's split: MAE, W/(m K)", "crabnet", "AFLOW", "AFLOW", "by-formula", "mae_w_mk", 1.5),
    *(
        Goal(f"{name}, {split_name}: {words}", study, name, name, split, metric, limit)
        for name, limits in (("L96", (0.10, 0.30)), ("HH143", (0.09, 0.25)))
        for study, split, split_name in (("paper", "run", "the paper's splits"), ("grouped", "formula", "by formula"))
        for (metric, words), limit in zip((("mean_abs_log10", _LOG10), ("mape", _MAPE)), limits, strict=True)
    ),
    Goal(f"trained on L96, tested on HH143: {_LOG10}", "transfer", "L96", "HH143", "all", "mean_abs_log10", 0.20),
    Goal(f"trained on HH143, tested on L96: {_LOG10}", "transfer", "HH143", "L96", "all", "mean_abs_log10", 0.35),
    Goal(f"{_FAMILIES}: {_LOG10}", "grouped", "MIX", "MIX", "family-out", "mean_abs_log10", 0.28),
    Goal(f"{_FAMILIES}: rank correlation", "grouped", "MIX", "MIX", "family-out", "spearman", 0.90),
)


def goals_table(evaluations: Sequence[Evaluation]) -> str:
    """Table of the goals, of what `accurate` and `fast` reach, and whether `accurate` meets them."""
    rows = []
    for goal in GOALS:
        at_least = goal.metric == "spearman"
        accurate, fast = (_value(goal, model, evaluations) for model in ("accurate", "fast"))
        met = "" if accurate is None else _yes(accurate >= goal.limit if at_least else accurate <= goal.limit)
        limit = f"{'≥' if at_least else '≤'} {goal.limit:g}"
        rows.append([goal.description, limit, _shown(accurate), met, _shown(fast)])
    return table(("", "goal", "accurate", "met", "fast"), rows)


def weighted_mean(evaluations: Sequence[Evaluation], metric: str) -> float:
    """Mean of a metric, each evaluation weighted by its test rows."""
    weights = [evaluation.metrics.n for evaluation in evaluations]
    return float(np.average([getattr(evaluation.metrics, metric) for evaluation in evaluations], weights=weights))


def _value(goal: Goal, model: str, evaluations: Sequence[Evaluation]) -> float | None:
    chosen = [
        e
        for e in evaluations
        if (e.model, e.study, e.train, e.test) == (model, goal.study, goal.train, goal.test)
        and split_kind(e.split) == goal.split
    ]
    if not chosen:
        return None
    if goal.metric == "ln":
        return weighted_mean(chosen, "mean_abs_log10") * float(np.log(10))
    return weighted_mean(chosen, goal.metric)


def _shown(value: float | None) -> str:
    return "not computed" if value is None else f"{value:.3g}"


def _yes(met: bool) -> str:
    return "yes" if met else "no"
