"""The evidence that ships with a model: its evaluations beside those of the baselines, and its intervals' coverage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kappatune.model.evidence import Evidence, EvidenceTable, IntervalCoverage
from studies.transfer.benchmark_page import STUDY_TITLES
from studies.transfer.recipes import RECIPES
from studies.transfer.results import TransferResults

_COLUMNS = ["model", "trained on", "tested on", "split", "n", "mean abs log10 error", "median factor", "MAPE"]
_NOTE = "`python -m studies.transfer`; test rows whose formula was trained on are left out."


def evidence(model: str, results: TransferResults, out_of_sample: Mapping[str, Any]) -> Evidence:
    """What `evidence.json` of a shipped model holds.

    Args:
        model: Its name.
        results: Stored results of the benchmark.
        out_of_sample: Stored result of `studies.transfer.out_of_sample`.
    """
    tables = [_other_crystals(out_of_sample["errors"][model])]
    for study, title in STUDY_TITLES.items():
        rows: list[list[str | int | float | None]] = [
            [
                e.model.removesuffix("-0.1"),
                e.train,
                e.test,
                e.split,
                e.metrics.n,
                round(e.metrics.mean_abs_log10, 3),
                round(e.metrics.median_factor, 2),
                round(e.metrics.mape, 2),
            ]
            for e in results.evaluations
            if e.study == study and study != "paper" and (e.model == f"{model}-0.1" or e.model not in RECIPES)
        ]
        if rows:
            tables.append(EvidenceTable(title=title, columns=_COLUMNS, rows=rows, note=_NOTE))
    shares = [
        IntervalCoverage(fidelity=r.fidelity, nominal=r.coverage.nominal, observed=r.coverage.observed, n=r.coverage.n)
        for r in results.calibrations
        if r.model == f"{model}-0.1"
    ]
    return Evidence(date=max(e.date for e in results.evaluations), tables=tables, calibration=shares)


def _other_crystals(errors: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> EvidenceTable:
    rows: list[list[str | int | float | None]] = [
        [
            rung,
            name,
            groups[name]["n"],
            round(groups[name]["mean_abs_log10"], 3),
            round(groups[name]["mean_signed_log10"], 3),
            round(groups[name]["spearman"], 2),
            round(groups[name]["coverage"], 2),
            round(groups[name]["in_domain"], 2),
        ]
        for rung, groups in errors.items()
        for name in ("all", "inside the domain", "outside the domain", "soft")
    ]
    return EvidenceTable(
        title="DFT values of other kinds of crystals, of which the model learnt none",
        columns=["rung", "crystals", "n", "mean abs log10 error", "bias (log10)", "rank", "held by 90 %", "in domain"],
        rows=rows,
        note="`python -m studies.transfer.out_of_sample`; soft: predicted acoustic Debye temperature below 100 K.",
    )
