"""The page of the benchmark, made from stored results alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from studies.markdown import note, number, table
from studies.transfer.comparisons import split_kind
from studies.transfer.evaluations import Evaluation
from studies.transfer.goals import goals_table, noise_note, weighted_mean
from studies.transfer.intervals import CalibrationResult
from studies.transfer.multiple_tests import findings
from studies.transfer.recipes import WHAT_THEY_ARE
from studies.transfer.reproducibility import Repeat
from studies.transfer.results import TransferResults
from studies.transfer.steps import STEPS
from studies.transfer.steps_section import steps_section

STUDY_TITLES = {
    "paper": "The models and baselines on the paper's nine splits",
    "grouped": "Cross-validation: by formula, by anion left out, by family left out",
    "transfer": "Trained on one set, tested on the other",
    "textbook": "Measured values of textbook crystals, formulas left out",
    "aflow": "AGL values of formulas not seen: AFLOW in five folds",
    "crabnet": "AGL values on CrabNet's split",
}

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


def benchmark_page(results: TransferResults, labels: Mapping[str, Any]) -> str:
    """The page as Markdown.

    Args:
        results: Stored results of the benchmark.
        labels: Stored result of `studies.transfer.labels`.
    """
    evaluations = results.evaluations
    dates = sorted({e.date for e in evaluations})
    versions = "; ".join(sorted({", ".join(f"{k} {v}" for k, v in e.versions.items()) for e in evaluations}))
    models = [e for e in evaluations if e.model not in STEPS]
    parts = [
        "# Benchmark",
        note("benchmark", "transfer.jsonl", "python -m studies.transfer --data FOLDER")
        + f" Computed {dates[0]} to {dates[-1]} with {versions}; each record holds its seeds and epochs.",
        WHAT_THEY_ARE,
        "The benchmark needs research tables that may not be passed on, and hours of computing. It is therefore not "
        "part of the package: `kappatune benchmark` of version 0.1.0 has become `python -m studies.transfer`, to be "
        "run in a clone of the repository.",
        "Rules: test rows play no part in scaling, stopping or choice of a model. Test rows whose formula was trained "
        "on are left out and counted. The AGL values a model was trained on before the DFT sets hold no formula of "
        "these sets, nor of the textbook values, which are trained on beside the DFT sets except for formulas that "
        "are tested. The form of the model (hosts, widths, epochs, trees for the corrections) was chosen while "
        "looking at splits of the same sets by formula: no table here is a blind test of that choice.",
        "## Results, label noise and goals",
        goals_table(evaluations, labels["agreement"]),
        noise_note(labels["agreement"]),
        steps_section(evaluations, findings(results.comparisons), results.replayed, labels["tested"]),
        *(_study_section(study, [e for e in models if e.study == study]) for study in STUDY_TITLES),
        _intervals_section(results.calibrations),
        _repeats_section(results.repeats),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _study_section(study: str, evaluations: Sequence[Evaluation]) -> str:
    if not evaluations:
        return ""
    groups: dict[tuple[str, str, str, str], list[Evaluation]] = defaultdict(list)
    for e in evaluations:
        groups[e.train, e.test, split_kind(e.split), e.model].append(e)
    rows = []
    for (train, test, split, model), group in sorted(groups.items()):
        metrics = [e.metrics for e in group]
        low, high = np.mean([m.mean_abs_log10_interval for m in metrics], axis=0)
        rows.append(
            [
                model,
                train,
                test,
                split + (f" ({len(group)})" if len(group) > 1 else ""),
                f"{np.mean([m.n for m in metrics]):.0f}",
                f"{np.mean([e.n_left_out for e in group]):.0f}",
                f"{weighted_mean(group, 'mean_abs_log10'):.3f}",
                f"{low:.3f} to {high:.3f}",
                f"{weighted_mean(group, 'median_factor'):.2f}",
                f"{weighted_mean(group, 'mape'):.2f}",
                f"{weighted_mean(group, 'mae_w_mk'):.2f}",
                _mean_or_dash([m.r2_log for m in metrics]),
                _mean_or_dash([m.spearman for m in metrics]),
                _mean_or_dash([m.precision_low for m in metrics]),
                _mean_or_dash([m.enrichment_lowest for m in metrics]),
            ]
        )
    legend = (
        "Means over the splits, whose number is in brackets, weighted by their test rows. *95 %*: interval of a "
        "split's mean by bootstrap over formulas. *Low*: of the k crystals predicted lowest, the fraction with κ below "
        "2 W/(m K), where k is the number of crystals below it. *Lowest*: enrichment of the true lowest 5 % in the "
        "predicted lowest 5 %."
    )
    return f"## {STUDY_TITLES[study]}\n\n{legend}\n\n" + table(_COLUMNS, rows)


def _intervals_section(calibrations: Sequence[CalibrationResult]) -> str:
    if not calibrations:
        return ""
    coverage_rows = [_coverage_row(result) for result in calibrations]
    domain_rows = [_domain_row(result) for result in calibrations]
    return "\n\n".join(
        [
            "## Interval coverage",
            "![Coverage](figures/benchmark_intervals.png)",
            "Coverage of 90 % intervals on formulas they were not calibrated on (ten folds; no prediction of a tested "
            "formula, inside the domain or outside, takes part in the calibration). *Crystals*: each counted once; "
            "*predictions*: a crystal is predicted in each split that tests it. The factor is the square root of upper "
            "over lower end.",
            table(
                (
                    "model",
                    "rung",
                    "crystals",
                    "predictions",
                    "coverage",
                    "low, middle, high κ",
                    "families of 20 or more",
                    "median factor",
                    "miscalibration area",
                ),
                coverage_rows,
            ),
            "## The domain",
            "The distance of a crystal to the labelled crystals of a rung is measured in the embedding, to those of "
            "other formulas alone. A crystal is outside the domain if it is farther from them than nine in ten of them "
            "are from those of other formulas. Intervals outside have a factor of their own. *Outside*: share of the "
            "predictions, and number of crystals. *Error out / in*: median |ln κ| error outside over that inside. "
            "These are rows of the families that were trained on; few lie outside, so little is known from them: what "
            "`in_domain` tells for other families was measured [on Phonix](accuracy.md#intervals). *Family left out*: "
            "coverage of 90 % intervals for a family of which neither the model nor the calibration has seen a "
            "crystal. Zincblendes and wurtzites (tetrahedral) conduct far better than the Debye model predicts, and "
            "nothing in the other families shows it. A dash: not computed.",
            table(
                ("model", "rung", "outside", "coverage in and out", "error out / in", "family left out"), domain_rows
            ),
        ]
    )


def _coverage_row(result: CalibrationResult) -> list[str]:
    coverage = result.coverage
    return [
        result.model,
        result.fidelity,
        str(coverage.n),
        str(coverage.n_predictions),
        f"{coverage.coverage:.3f}",
        ", ".join(f"{share:.2f}" for share in coverage.by_third),
        ", ".join(f"{name} {share:.2f}" for name, share in coverage.by_family.items()),
        f"{coverage.median_factor:.2f}",
        f"{coverage.miscalibration_area:.3f}",
    ]


def _domain_row(result: CalibrationResult) -> list[str]:
    coverage = result.coverage
    return [
        result.model,
        result.fidelity,
        f"{coverage.outside:.0%} ({coverage.n_outside})",
        " and ".join(map(number, coverage.inside_outside)),
        number(coverage.median_error_ratio, 1),
        ", ".join(f"{family} {share:.2f}" for family, share in result.left_out.items()) or "–",
    ]


def _repeats_section(repeats: Sequence[Repeat]) -> str:
    if not repeats:
        return ""
    rows = [[r.evaluation, f"{r.first:.4f}", f"{r.second:.4f}", f"{r.largest_difference:.1e}"] for r in repeats]
    return (
        "## Reproducibility\n\nThree evaluations trained a second time in a fresh folder, on one thread (`python -m "
        "studies.transfer --repeat`); the third on the AGL stage that all evaluations share.\n\n"
        + table(("evaluation", "mean abs log10", "again", "largest relative difference of a κ"), rows)
    )


def _mean_or_dash(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return number(float(np.mean(known)) if known else None)
