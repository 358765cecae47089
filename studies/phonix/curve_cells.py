"""One cell of the learning curves: an arm learns some rows and is tested on others."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from kappatune.model.folds import Rows
from kappatune.structures.table import LabelledCrystal
from studies.phonix.curve_arms import ARMS
from studies.phonix.curve_learners import ArmInputs, fit_and_predict
from studies.store import Record, today, versions


class ArmCell(Record):
    """One arm after one draw of so many labels.

    Attributes:
        record: Kind of the cell.
        arm: Name of the arm, one of `ARMS`.
        n: Labels learnt.
        draw: Which order of the rows, and the seed of the learner.
        n_tested: Tested rows.
        mean_abs_log10: Mean |log10(predicted / true)| of these.
        bias_log10: Mean log10(predicted / true).
        spearman: Rank correlation; null where it is not defined.
        seconds: Wall time.
        date: ISO 8601.
        versions: Of Python and the libraries.
    """

    arm: str
    n: int
    draw: int
    n_tested: int
    mean_abs_log10: float
    bias_log10: float
    spearman: float | None
    seconds: float
    date: str
    versions: dict[str, str]


def measured(
    arm: str, inputs: ArmInputs, rows: Sequence[LabelledCrystal], known: Rows, tested: Rows, n: int, draw: int
) -> dict[str, Any]:
    """The fields of an `ArmCell` but `record`: the first `n` known rows of a draw learnt, the others tested."""
    started = time.monotonic()
    train = np.random.default_rng([draw, 19]).permutation(known)[:n]
    ln_kappa = np.log([row.kappa for row in rows])
    formulas = np.array([row.crystal.formula_key for row in rows])
    predicted = fit_and_predict(
        inputs, ARMS[arm].learner, torch.from_numpy(ln_kappa), formulas, train, tested, seed=draw
    )
    truth = ln_kappa[tested]
    error = (predicted - truth) / np.log(10.0)
    return {
        "arm": arm,
        "n": n,
        "draw": draw,
        "n_tested": len(tested),
        "mean_abs_log10": float(np.abs(error).mean()),
        "bias_log10": float(error.mean()),
        "spearman": float(spearmanr(truth, predicted).statistic) if np.ptp(predicted) > 0 else None,
        "seconds": round(time.monotonic() - started, 1),
        "date": today(),
        "versions": versions(),
    }
