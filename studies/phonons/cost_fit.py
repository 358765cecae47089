"""Constants of the estimate, and how good it is, from measured times."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np
from scipy.optimize import nnls

from kappatune.calculations.symmetry import FIRST_CUBIC_GROUP
from studies.phonons.cost_record import TimedVerification

GOAL = (1.5, 0.8)
"""Factor within which the estimate is to lie, and for which share of the crystals."""


def fitted_constants(records: Sequence[TimedVerification]) -> dict[str, Any]:
    """Constants for `kappatune.verification.phono3py_time`, by least squares of relative errors.

    Args:
        records: Only those that serve the constants and were answered are used.
    """
    used = [record for record in records if record.purpose == "constants" and record.outcome == "answered"]
    setup, transport = [], []
    for record in used:
        work = record.work
        others = record.taken_s["estimate"] + record.taken_s["phono3py"] - sum(seconds for _, seconds in record.meshes)
        setup.append(([1.0, work.n_operations * work.n_atoms, work.n_displacements * work.n_atoms], others))
        for (_, seconds), n_triplets in zip(record.meshes, work.n_triplets, strict=False):
            transport.append(([1.0, *(n_triplets * terms for terms in work.sums)], seconds))
    return {
        "n": len(used),
        "SETUP_SECONDS": _relative_fit(setup),
        "TRANSPORT_SECONDS": _relative_fit(transport),
        "refined": round(sum(len(record.meshes) > 2 for record in used) / len(used), 2),
        "RELAXATION_CALLS": {
            kind: round(median(_relaxation_calls(r) for r in used if (r.space_group >= FIRST_CUBIC_GROUP) == cubic))
            for kind, cubic in (("cubic", True), ("other", False))
        },
    }


def summary(records: Sequence[TimedVerification]) -> dict[str, Any]:
    """How many estimates lie within the factor, by purpose and quality."""
    found: dict[str, Any] = {}
    for purpose in ("constants", "judged"):
        for quality in ("quick", "standard"):
            of_kind = [r for r in records if (r.purpose, r.quality, r.outcome) == (purpose, quality, "answered")]
            if of_kind:
                phono3py = [record.phono3py_ratio for record in of_kind]
                found[f"{purpose}, {quality}"] = {"n": len(of_kind), "phono3py": _errors(phono3py)} | (
                    {} if purpose == "constants" else {"whole": _errors([record.ratio for record in of_kind])}
                )
    return found


def _errors(ratios: Sequence[float]) -> dict[str, float]:
    within = sum(1 / GOAL[0] <= ratio <= GOAL[0] for ratio in ratios)
    return {
        "within": round(within / len(ratios), 3),
        "median_ratio": round(median(ratios), 2),
        "lowest": round(min(ratios), 2),
        "highest": round(max(ratios), 2),
    }


def _relaxation_calls(record: TimedVerification) -> float:
    """Relaxation and AGL in evaluations of the primitive cell."""
    return (record.taken_s["relaxation"] + record.taken_s["agl"]) / record.primitive_s


def _relative_fit(rows: Sequence[tuple[Sequence[float], float]]) -> tuple[float, ...]:
    """Non-negative coefficients of the terms with the smallest squares of relative errors."""
    terms, seconds = np.array([row for row, _ in rows]), np.array([value for _, value in rows])
    scale = terms.max(axis=0)
    solution, _ = nnls(terms / scale / seconds[:, None], np.ones(len(seconds)))
    return tuple(float(f"{value:.2g}") for value in solution / scale)
