"""The page of verified candidates, made from stored results alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from kappatune.model.prediction import Prediction
from kappatune.potentials import Potential
from kappatune.verification import VerifySettings
from kappatune.verification.calibration import shipped_calibrations
from kappatune.verification.verdict import Assessment, assess
from studies.markdown import note, table
from studies.store import load_results

RESULT_PREFIX = "verify_candidates_"
SHOWCASE = "mp-9127"
"""BaSb2O6, which the paper checks."""

N_CANDIDATES, MAX_ATOMS = 10, 12

_PAPER = "1.23 predicted, 7.1 computed (arXiv 2411.18259)"
_COLUMNS = ("id", "formula", "predicted (interval)", "AGL", "phonons", "best estimate", "verdict", "remark")


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
        "verdict and best estimate follow today's [calibration](calibration.md).",
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
    found = _assessed(row)
    best = "–"
    if found and found.kappa_best_w_mk:
        best = f"{found.kappa_best_w_mk:.2g} ({found.best_lower_w_mk:.2g} to {found.best_upper_w_mk:.2g})"
    return [
        row["id"],
        row["formula"],
        _two_digits(row["predicted_w_mk"]) + interval,
        _two_digits(row["agl_w_mk"]),
        _two_digits(row["kappa_bte_w_mk"]),
        best,
        _verdict(row),
        row["reason"] or "; ".join(row["warnings"]),
    ]


def _verdict(row: Mapping[str, Any]) -> str:
    found = _assessed(row)
    verdict: str = found.verdict if found else row["outcome"]
    return verdict


def _assessed(row: Mapping[str, Any]) -> Assessment | None:
    """The verdict by today's rule; None without a phonon value."""
    if row["outcome"] != "answered":
        return None
    prediction = Prediction(
        id=row["id"],
        kappa_w_mk=row["predicted_w_mk"],
        lower_w_mk=row["lower_w_mk"],
        upper_w_mk=row["upper_w_mk"],
        interval="calibrated",
    )
    potential = Potential(row["potential"].split(" ")[0], "", None)
    settings = VerifySettings.of("standard", wigner=True)
    return assess(row["kappa_bte_w_mk"], potential, settings, shipped_calibrations(), prediction, row["agl_w_mk"])


def _two_digits(value: float | None) -> str:
    return "–" if value is None else f"{value:.2g}"
