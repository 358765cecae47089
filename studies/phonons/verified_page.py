"""The page of verified candidates, made from stored results alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from studies.markdown import note, table
from studies.store import load_results

RESULT_PREFIX = "verify_candidates_"
SHOWCASE = "mp-9127"
"""BaSb2O6, which the paper checks."""

N_CANDIDATES, MAX_ATOMS = 10, 12

_PAPER = "1.23 predicted, 7.1 computed (arXiv 2411.18259)"
_COLUMNS = ("id", "formula", "predicted (interval)", "AGL", "phonons", "likely", "verdict", "remark")


def verified_page() -> str:
    """The page as Markdown: one table per potential, SevenNet first."""
    results = sorted(load_results(RESULT_PREFIX), key=lambda result: "SevenNet" not in result["potential"])
    versions = results[0]["versions"]["kappatune"], results[0]["phono3py"]
    parts = [
        "# Candidates, verified",
        note("verified", f"{RESULT_PREFIX}*.json", "python -m studies.phonons.verify_candidates --data FOLDER"),
        f"Computed with kappatune {versions[0]} and phono3py {versions[1]}: quality standard, RTA with coherences, no "
        f"Born charges. [What the columns mean](verify.md). The first row is {SHOWCASE}, BaSb2O6, the discovery of the "
        f"paper, which reports {_PAPER}. Below it are the {N_CANDIDATES} crystals of at most {MAX_ATOMS} atoms for "
        "which `accurate` predicts the lowest κ in the [scan of the pool](candidates.md). κ in W/(m K) at 300 K; "
        "*likely* is the range of κ after the potential's known bias is removed. *Agrees* [says "
        "little](verify.md#the-verdict): two wide ranges almost always overlap.",
        f"![{SHOWCASE}](figures/verified_showcase.png)",
    ]
    for result in results:
        rows = result["rows"]
        counts = Counter(_verdict(row) for row in rows[1:])
        summary = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
        missing = N_CANDIDATES + 1 - len(rows)
        parts += [
            f"## {result['potential']}, {result['date']}",
            f"Of {len(rows) - 1} candidates: {summary}." + (f" {missing} were not computed." if missing else ""),
            table(_COLUMNS, [_cells(row) for row in rows]),
        ]
    return "\n\n".join(parts) + "\n"


def _cells(row: Mapping[str, Any]) -> list[str]:
    interval = ""
    if row["lower_w_mk"] and row["upper_w_mk"]:
        interval = f" ({row['lower_w_mk']:.2g} to {row['upper_w_mk']:.2g})"
    likely = "–"
    if row["likely_lower_w_mk"]:
        likely = f"{row['likely_lower_w_mk']:.2g} to {row['likely_upper_w_mk']:.2g}"
    return [
        row["id"],
        row["formula"],
        _two_digits(row["predicted_w_mk"]) + interval,
        _two_digits(row["agl_w_mk"]),
        _two_digits(row["kappa_bte_w_mk"]),
        likely,
        _verdict(row),
        row["reason"] or "; ".join(row["warnings"]),
    ]


def _verdict(row: Mapping[str, Any]) -> str:
    verdict: str = row["verdict"] if row["outcome"] == "answered" else row["outcome"]
    return verdict


def _two_digits(value: float | None) -> str:
    return "–" if value is None else f"{value:.2g}"
