"""The evidence that ships with a model: its evaluations beside those of the baselines, and its intervals' coverage."""

from __future__ import annotations

from kappatune.model.evidence import Evidence, EvidenceTable, IntervalCoverage
from studies.transfer.benchmark_page import STUDY_TITLES
from studies.transfer.results import TransferResults

_COLUMNS = ["model", "trained on", "tested on", "split", "n", "mean abs log10 error", "median factor", "MAPE"]
_NOTE = "`python -m studies.transfer`; test rows whose formula was trained on are left out."


def evidence(model: str, results: TransferResults) -> Evidence:
    """What `evidence.json` of a shipped model holds."""
    tables = []
    for study, title in STUDY_TITLES.items():
        rows: list[list[str | int | float | None]] = [
            [
                e.model,
                e.train,
                e.test,
                e.split,
                e.metrics.n,
                round(e.metrics.mean_abs_log10, 3),
                round(e.metrics.median_factor, 2),
                round(e.metrics.mape, 2),
            ]
            for e in results.evaluations
            if e.study == study and study != "paper" and (e.model == model or e.model not in ("accurate", "fast"))
        ]
        if rows:
            tables.append(EvidenceTable(title=title, columns=_COLUMNS, rows=rows, note=_NOTE))
    shares = [
        IntervalCoverage(fidelity=r.fidelity, nominal=r.coverage.nominal, observed=r.coverage.observed, n=r.coverage.n)
        for r in results.calibrations
        if r.model == model
    ]
    return Evidence(date=max(e.date for e in results.evaluations), tables=tables, calibration=shares)
