"""The evidence that ships with a model: for which crystals each of its rungs is good, and how often intervals hold."""

from __future__ import annotations

import math

from kappatune.model.evidence import Evidence, EvidenceTable, IntervalCoverage, TableValue
from studies.phonix.agl_rung import OF_DFT
from studies.phonix.evaluations import ALL_SETS
from studies.phonix.labels import HEUSLERS, TEXTBOOK
from studies.phonix.metrics import PartErrors, PhonixMetrics
from studies.phonix.results import PhonixResults

CRYSTALS = (
    ("dft", "new formulas", "formula", ALL_SETS),
    ("dft", "new prototypes", "prototype", ALL_SETS),
    ("dft", "a new anion", "anion", ALL_SETS),
    ("dft", "a new family", "family", ALL_SETS),
    ("dft", "textbook crystals", "formula", TEXTBOOK),
    ("experiment", "textbook crystals", "formula", TEXTBOOK),
    ("experiment", "measured Heuslers", "formula", HEUSLERS),
)
"""Rung, kind of crystals, protocol and tested set, the easiest first."""

_COLUMNS = ["rung", "crystals", "n", "mean abs log10 error", "bias (log10)", "rank", "held by 90 %", "in domain"]
_NOTE = (
    "`python -m studies.phonix.recipes`: models of the same recipe, of which no stage had seen the formula. New "
    "prototypes: nor any crystal with its anonymous formula, space group and number of sites. A new anion, a new "
    "family: nor any with its most electronegative element, or of its family. dft is tested on DFT values of Phonix, "
    "L96 and HH143 and on measured values of textbook crystals, experiment on measured values, agl on AFLOW's values."
)


def evidence(model: str, results: PhonixResults) -> Evidence:
    """What `evidence.json` of a shipped model holds.

    Args:
        model: Its name, that of its recipe.
        results: Stored results.
    """
    rows = [
        _row(rung, name, metrics)
        for rung, name, protocol, tested in CRYSTALS
        if (metrics := results.metrics(f"{model} {rung}", protocol, tested))
    ]
    tables = [
        EvidenceTable(
            title="Values of crystals that no stage had seen",
            columns=_COLUMNS,
            rows=[*rows, *_agl_row(model, results)],
            note=_NOTE,
        ),
        *_families(model, results),
    ]
    shares = [
        IntervalCoverage(fidelity=r.fidelity, nominal=r.coverage.nominal, observed=r.coverage.observed, n=r.coverage.n)
        for r in results.calibration_of(model).values()
    ]
    return Evidence(date=max(results.dates([model])), tables=tables, calibration=shares)


def _row(rung: str, name: str, metrics: PhonixMetrics) -> list[TableValue]:
    intervals = metrics.intervals
    return [
        rung,
        name,
        metrics.n,
        round(metrics.mean_abs_log10, 3),
        round(metrics.bias_log10, 3),
        _rounded(metrics.spearman),
        _rounded(intervals.coverage if intervals else None),
        _rounded(1 - intervals.outside if intervals else None),
    ]


def _agl_row(model: str, results: PhonixResults) -> list[list[TableValue]]:
    found, calibration = results.agl_of(model, OF_DFT), results.calibration_of(model).get("agl")
    if found is None:
        return []
    errors = (round(ln / math.log(10), 3) for ln in (found.mean_abs_ln, found.bias_ln))
    held = calibration.coverage.coverage if calibration else None
    ends = (_rounded(value) for value in (found.spearman, held, 1 - found.outside))
    return [["agl", "new formulas", found.n, *errors, *ends]]


def _families(model: str, results: PhonixResults) -> list[EvidenceTable]:
    metrics = results.metrics(f"{model} dft", "family", ALL_SETS)
    if metrics is None:
        return []

    def row(name: str, part: PartErrors) -> list[TableValue]:
        return [name, part.n, round(part.mean_abs_log10, 3), round(part.bias_log10, 3), _rounded(part.coverage)]

    return [
        EvidenceTable(
            title="DFT values of families that the model had not seen",
            columns=["family", "n", "mean abs log10 error", "bias (log10)", "held by 90 %"],
            rows=[row(name, part) for name, part in metrics.families.items()],
            note="Most electronegative element, anonymous formula, space group and number of sites, or a name.",
        )
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
