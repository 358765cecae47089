"""How good are the shipped models on Phonix, on crystals whose formula has no DFT or measured label in them?

    python -m studies.phonix.shipped --data FOLDER

The first rows of the table that models trained on Phonix are compared in; `studies.transfer.out_of_sample` looks at the
same crystals by kind. Nothing is trained. `tested` says which crystals: all of Phonix without the formulas of the
model's `dft` rung, and the same without the formulas of its AGL values.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from kappatune.model.kappa_model import KappaModel
from kappatune.structures import read_table
from studies.phonix.evaluations import PHONIX_RESULTS, PhonixEvaluation
from studies.phonix.labels import PHONIX_SET, DftLabels, read_labels
from studies.phonix.metrics import Intervals, measure
from studies.research_data import AFLOW, DataOption, research_folder
from studies.store import RecordFile, today, versions

MODELS = ("accurate", "fast")
RUNGS = ("dft", "agl")


def main(
    data: DataOption = None,
    results: Annotated[Path, typer.Option(help="File of the results.")] = PHONIX_RESULTS,
) -> None:
    """Predict Phonix with the shipped models, a minute each."""
    torch.set_num_threads(1)
    folder = research_folder(data)
    labels = read_labels(folder)
    records = RecordFile(results)
    with_agl = {row.crystal.formula_key for row in read_table(folder / AFLOW).rows}
    known = {str(f) for f in labels.formulas[labels.set_of != PHONIX_SET]}
    phonix = labels.rows_of(PHONIX_SET)
    new = phonix[~np.isin(labels.formulas[phonix], list(known))]
    newest = new[~np.isin(labels.formulas[new], list(with_agl))]
    for name in MODELS:
        model = KappaModel.load(name)
        for rung in RUNGS:
            started = time.monotonic()
            predicted, intervals = predict(model, labels, new, rung)
            seconds = time.monotonic() - started
            for tested, rows in ((PHONIX_SET, new), (f"{PHONIX_SET}, no AGL value", newest)):
                evaluation = evaluate(f"{name} {rung}", labels, rows, predicted, intervals, tested, seconds)
                records.add(evaluation)
                typer.echo(evaluation.summary)


def predict(
    model: KappaModel, labels: DftLabels, rows: NDArray[np.int64], rung: str
) -> tuple[NDArray[np.float64], Intervals]:
    """Predictions of some rows, W/(m K), each at its row's number; NaN where there is none."""
    predicted, lower, upper = (np.full(len(labels.rows), np.nan) for _ in range(3))
    inside = np.zeros(len(labels.rows), dtype=bool)
    found = model.predict([labels.rows[i].crystal for i in rows], fidelity=rung)
    for i, prediction in zip(rows, found, strict=True):
        if prediction.kappa_w_mk is not None:
            predicted[i] = prediction.kappa_w_mk
            lower[i], upper[i] = prediction.lower_w_mk or np.nan, prediction.upper_w_mk or np.nan
            inside[i] = bool(prediction.in_domain)
    return predicted, Intervals(lower=lower, upper=upper, in_domain=inside)


def evaluate(
    model: str,
    labels: DftLabels,
    rows: NDArray[np.int64],
    predicted: NDArray[np.float64],
    intervals: Intervals,
    tested: str,
    seconds: float,
) -> PhonixEvaluation:
    """Measure a shipped model on some rows."""
    answered = rows[np.isfinite(predicted[rows])]
    chosen = Intervals(
        lower=intervals.lower[answered], upper=intervals.upper[answered], in_domain=intervals.in_domain[answered]
    )
    return PhonixEvaluation(
        model=model,
        protocol="shipped",
        tested=tested,
        n_left_out=len(rows) - len(answered),
        metrics=measure(labels, answered, predicted[answered], chosen),
        seconds=round(seconds, 1),
        date=today(),
        versions=versions(),
    )


if __name__ == "__main__":
    typer.run(main)
