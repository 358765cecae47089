"""The page of the benchmark, made from stored results alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kappatune.model.evidence import Evidence, EvidenceTable, IntervalCoverage
from studies.markdown import table
from studies.transfer.comparisons import split_kind
from studies.transfer.evaluations import Cell
from studies.transfer.intervals import CalibrationResult
from studies.transfer.reproducibility import Repeat
from studies.transfer.results import Results
from studies.transfer.steps import STEPS
from studies.transfer.steps_section import question


class Goal(NamedTuple):
    """What was set out for `accurate`.

    Attributes:
        what: In words.
        study: Study of its cells.
        train: What was trained on.
        test: What was tested on.
        split: Kind of their splits.
        figure: A field of `Metrics`, or `ln` for the mean |ln| error.
        limit: Not to exceed, or, for a rank correlation, to reach.
    """

    what: str
    study: str
    train: str
    test: str
    split: str
    figure: str
    limit: float


_LOG10, _MAPE = "mean abs log10 error", "MAPE"
GOALS = (
    Goal("AGL, formulas not seen (5 folds): mean abs ln error", "aflow", "AFLOW", "AFLOW", "formula", "ln", 0.18),
    Goal("AGL, CrabNet's split: MAE, W/(m K)", "crabnet", "AFLOW", "AFLOW", "by-formula", "mae_w_mk", 1.5),
    *(
        Goal(f"{small}, {split_name}: {words}", study, small, small, split, figure, limit)
        for small, limits in (("L96", (0.10, 0.30)), ("HH143", (0.09, 0.25)))
        for study, split, split_name in (("paper", "run", "the paper's splits"), ("grouped", "formula", "by formula"))
        for (figure, words), limit in zip((("mean_abs_log10", _LOG10), ("mape", _MAPE)), limits, strict=True)
    ),
    Goal(f"trained on L96, tested on HH143: {_LOG10}", "transfer", "L96", "HH143", "all", "mean_abs_log10", 0.20),
    Goal(f"trained on HH143, tested on L96: {_LOG10}", "transfer", "HH143", "L96", "all", "mean_abs_log10", 0.35),
    Goal(
        f"other families (here: each left out): {_LOG10}", "grouped", "MIX", "MIX", "family-out", "mean_abs_log10", 0.28
    ),
    Goal(
        "other families (here: each left out): rank correlation",
        "grouped",
        "MIX",
        "MIX",
        "family-out",
        "spearman",
        0.90,
    ),
)

_COLUMNS = (
    "model",
    "train",
    "test",
    "split",
    "n",
    "left out",
    "mean abs log10",
    "95 %",
    "factor",
    "MAPE",
    "MAE",
    "R²",
    "rho",
    "low",
    "lowest",
)
_TITLES = {
    "paper": "The models and baselines on the paper's nine splits",
    "grouped": "Cross-validation: by formula, by anion left out, by family left out",
    "transfer": "Trained on one set, tested on the other",
    "aflow": "AGL values of formulas not seen: AFLOW in five folds",
    "crabnet": "AGL values on CrabNet's split",
}


def page(results: Results) -> str:
    """The page as Markdown."""
    cells = results.cells
    dates = sorted({cell.date for cell in cells})
    versions = ", ".join(f"{k} {v}" for k, v in cells[-1].versions.items())
    others = [cell for cell in cells if cell.model not in STEPS]
    parts = [
        "# Benchmark",
        "Made by `python -m studies.transfer` from the results in `studies/results/transfer`; do not edit by hand. "
        f"Cells computed {dates[0]} to {dates[-1]} with {versions}; each cell's file holds its seeds and epochs.",
        "Rules: test rows play no part in scaling, stopping or choice of a model. Test rows whose formula was trained "
        "on are left out and counted. The AGL rung below the small sets holds no formula of theirs, nor of the "
        "textbook values, which are trained on beside the small sets except for formulas that are tested. The form of "
        "the model (hosts, widths, epochs, trees for the corrections) was chosen while looking at splits of the same "
        "sets by formula: no table here is a blind test of that choice.",
        "## What was set out, and what was reached",
        goals(cells),
        question(cells, results.comparisons, results.replayed),
        *(_study(study, [cell for cell in others if cell.study == study]) for study in _TITLES),
        _intervals(results.calibrations),
        _repeats(results.repeats),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def goals(cells: Sequence[Cell]) -> str:
    """Table of what was set out, and of what the shipped models reach."""
    rows = []
    for goal in GOALS:
        at_least = goal.figure == "spearman"
        limit = f"{'≥' if at_least else '≤'} {goal.limit:g}"
        figures = [_reached(goal, model, cells) for model in ("accurate", "fast")]
        said = ["not computed" if figure is None else f"{figure:.3g}" for figure in figures]
        met = [
            figure is not None and (figure >= goal.limit if at_least else figure <= goal.limit) for figure in figures
        ]
        rows.append([goal.what, limit, said[0], "" if figures[0] is None else "yes" if met[0] else "no", said[1]])
    return table(("", "asked", "accurate", "reached", "fast"), rows)


def _reached(goal: Goal, model: str, cells: Sequence[Cell]) -> float | None:
    chosen = [
        cell
        for cell in cells
        if (cell.model, cell.study, cell.train, cell.test) == (model, goal.study, goal.train, goal.test)
        and split_kind(cell.split) == goal.split
    ]
    if not chosen:
        return None
    return _mean(chosen, "mean_abs_log10") * float(np.log(10)) if goal.figure == "ln" else _mean(chosen, goal.figure)


def evidence(model: str, results: Results) -> Evidence:
    """What the page of a model shows: its cells beside the baselines', and how its intervals fare."""
    columns = ["model", "trained on", "tested on", "split", "n", "mean abs log10 error", "median factor", "MAPE"]
    tables = []
    for study, title in _TITLES.items():
        rows: list[list[str | int | float | None]] = [
            [
                c.model,
                c.train,
                c.test,
                c.split,
                m.n,
                round(m.mean_abs_log10, 3),
                round(m.median_factor, 2),
                round(m.mape, 2),
            ]
            for c in results.cells
            if c.study == study and study != "paper" and (c.model == model or c.model not in ("accurate", "fast"))
            for m in [c.metrics]
        ]
        if rows:
            note = "`python -m studies.transfer`; test rows whose formula was trained on are left out."
            tables.append(EvidenceTable(title=title, columns=columns, rows=rows, note=note))
    shares = [
        IntervalCoverage(fidelity=r.fidelity, nominal=r.coverage.nominal, observed=r.coverage.observed, n=r.coverage.n)
        for r in results.calibrations
        if r.model == model
    ]
    return Evidence(date=max(cell.date for cell in results.cells), tables=tables, calibration=shares)


def _mean(cells: Sequence[Cell], figure: str) -> float:
    weights = [cell.metrics.n for cell in cells]
    return float(np.average([getattr(cell.metrics, figure) for cell in cells], weights=weights))


def _study(study: str, cells: Sequence[Cell]) -> str:
    if not cells:
        return ""
    groups: dict[tuple[str, str, str, str], list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[cell.train, cell.test, split_kind(cell.split), cell.model].append(cell)
    rows = []
    for (train, test, split, model), group in sorted(groups.items()):
        m = [cell.metrics for cell in group]
        low, high = np.mean([x.mean_abs_log10_interval for x in m], axis=0)
        rows.append(
            [
                model,
                train,
                test,
                split + (f" ({len(group)})" if len(group) > 1 else ""),
                f"{np.mean([x.n for x in m]):.0f}",
                f"{np.mean([cell.n_left_out for cell in group]):.0f}",
                f"{_mean(group, 'mean_abs_log10'):.3f}",
                f"{low:.3f} to {high:.3f}",
                f"{_mean(group, 'median_factor'):.2f}",
                f"{_mean(group, 'mape'):.2f}",
                f"{_mean(group, 'mae_w_mk'):.2f}",
                _mean_or_dash([x.r2_log for x in m]),
                _mean_or_dash([x.spearman for x in m]),
                _mean_or_dash([x.precision_low for x in m]),
                _mean_or_dash([x.enrichment_lowest for x in m]),
            ]
        )
    note = (
        "Means over the splits in brackets, weighed by their test rows. *95 %*: interval of a split's mean by "
        "bootstrap over formulas. *Low*: of the k crystals predicted lowest, the part below 2 W/(m K), k being how "
        "many are. *Lowest*: enrichment of the truly lowest 5 % in the predicted lowest 5 %."
    )
    return f"## {_TITLES[study]}\n\n{note}\n\n" + table(_COLUMNS, rows)


def _repeats(repeats: Sequence[Repeat]) -> str:
    if not repeats:
        return ""
    rows = [[r.cell, f"{r.first:.4f}", f"{r.second:.4f}", f"{r.largest_difference:.1e}"] for r in repeats]
    return (
        "## Repeatability\n\nThree cells trained a second time in a fresh folder, on one thread (`studies.transfer "
        "--repeat`); the third on the AGL rung that all cells share.\n\n"
        + table(("cell", "mean abs log10", "again", "largest relative difference of a kappa"), rows)
    )


def _intervals(calibrations: Sequence[CalibrationResult]) -> str:
    if not calibrations:
        return ""
    rows, zones = [], []
    for result in calibrations:
        coverage = result.coverage
        rows.append(
            [
                result.model,
                result.fidelity,
                str(coverage.n),
                f"{coverage.coverage:.3f}",
                ", ".join(f"{part:.2f}" for part in coverage.by_third),
                ", ".join(f"{name} {part:.2f}" for name, part in coverage.by_family.items()),
                f"{coverage.median_factor:.2f}",
                f"{coverage.miscalibration_area:.3f}",
            ]
        )
        ratio = coverage.median_error_ratio
        zones.append(
            [
                result.model,
                result.fidelity,
                f"{coverage.outside:.0%}",
                " and ".join("–" if part is None else f"{part:.2f}" for part in coverage.inside_outside),
                "–" if ratio is None else f"{ratio:.1f}",
                *(
                    ", ".join(f"{family} {both[k]:.2f}" for family, both in result.left_out.items()) or "–"
                    for k in (0, 1)
                ),
            ]
        )
    columns = ("model", "rung", "n", "coverage", "low, middle, high kappa", "families of 20 or more", "median factor")
    of_zones = ("model", "rung", "outside", "coverage in and out", "error out / in", "family left out", "in the card")
    return "\n\n".join(
        [
            "## 90 % intervals",
            "![Coverage](figures/benchmark_intervals.png)",
            "Coverage on formulas the intervals were not calibrated on (ten folds). The factor is the square root of "
            "upper over lower end.",
            table((*columns, "miscalibration area"), rows),
            "## The domain",
            "A crystal lies outside the domain of a rung when it is farther from its labelled crystals, in the "
            "embedding, than nine in ten of these are from those of other formulas. Outside, intervals have a factor "
            "of their own. *Error out / in*: median |ln kappa| error outside over that inside, on new formulas. "
            "*Family left out*: coverage of 90 % intervals for a family of which neither the model nor the intervals "
            "know anything; *in the card*: the same with the intervals that ship, whose factor outside knows these "
            "errors. Zincblendes and wurtzites (tetrahedral) conduct far better than the Debye model says, and "
            "nothing in the other families tells.",
            table(of_zones, zones),
        ]
    )


def _mean_or_dash(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{np.mean(known):.2f}" if known else "–"
