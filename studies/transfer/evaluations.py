"""Evaluations, the records of the benchmark: one model, trained on one thing and tested on another."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kappatune.storage import atomic_path
from studies.store import Record, RecordFile, today, versions
from studies.transfer.metrics import Metrics, measure

Study = Literal["paper", "grouped", "transfer", "textbook", "aflow", "crabnet"]

_CSV_COLUMNS = ("id", "formula", "group", "kappa_w_mk", "predicted_w_mk", "spread_ln", "distance")


@dataclass(frozen=True)
class EvaluationKey:
    """Identifies an evaluation: no two have the same key.

    Attributes:
        study: `paper` (its nine splits), `grouped` (repeated cross-validation), `transfer` (train on one set, test on
            another), `textbook` (measured values, formulas left out), `aflow` (5-fold by formula), `crabnet` (its
            published split).
        model: `step-1` to `step-3`, `step-3-seen`, `accurate-0.1`, `fast-0.1`, or the name of a baseline.
        train: Name of the training set.
        test: Name of the test set.
        split: Which split: `run-3`, `formula-0`, `anion-out`, ...; one evaluation covers all folds of a split.
    """

    study: Study
    model: str
    train: str
    test: str
    split: str

    @property
    def name(self) -> str:
        """The parts in lower case, joined by `__`."""
        return f"{self.study}__{self.model}__{self.train}__{self.test}__{self.split}".lower()


class Evaluation(Record):
    """The stored result of one evaluation.

    Attributes:
        record: Always `evaluation`.
        schema_version: Version of this format.
        study: As in `EvaluationKey`.
        model: As in `EvaluationKey`.
        train: As in `EvaluationKey`.
        test: As in `EvaluationKey`.
        split: As in `EvaluationKey`.
        cross_fidelity: Whether a model of one fidelity is tested against labels of another.
        n_train: Training rows, the mean over folds.
        n_left_out: Test rows left out because their formula was trained on, or because the model cannot predict them.
        metrics: Over all test rows.
        details: Seeds, epochs, best epochs and the like.
        seconds: Wall time, without training that is shared with other evaluations.
        date: ISO 8601.
        versions: Of Python and the libraries.
    """

    record: Literal["evaluation"] = "evaluation"
    schema_version: Literal[1] = 1
    study: Study
    model: str
    train: str
    test: str
    split: str
    cross_fidelity: bool = False
    n_train: float
    n_left_out: int = 0
    metrics: Metrics
    details: dict[str, Any]
    seconds: float
    date: str
    versions: dict[str, str]

    @property
    def key(self) -> EvaluationKey:
        """Its key, without the results."""
        return EvaluationKey(self.study, self.model, self.train, self.test, self.split)

    @property
    def name(self) -> str:
        """Name of its key."""
        return self.key.name

    @property
    def summary(self) -> str:
        """One line for people."""
        return f"{self.name}: mean |log10| error {self.metrics.mean_abs_log10:.3f}, MAPE {self.metrics.mape:.2f}"


@dataclass(frozen=True)
class Predictions:
    """Predictions of an evaluation, row by row. They stay in the work folder: some tables may not be passed on.

    Attributes:
        ids: (n,) name of each crystal.
        formulas: (n,) reduced formulas.
        groups: (n,) family of each crystal.
        truth: (n,) W/(m K).
        predicted: (n,) W/(m K).
        spread: (n,) standard deviation of ln kappa that the model estimates; NaN if it estimates none.
        distance: (n,) distance to the training crystals, above 1 outside their domain (`kappatune.model.domain`); NaN
            if the model has no domain.
    """

    ids: Sequence[str]
    formulas: Sequence[str]
    groups: Sequence[str]
    truth: NDArray[np.float64]
    predicted: NDArray[np.float64]
    spread: NDArray[np.float64]
    distance: NDArray[np.float64]

    @property
    def abs_log10_errors(self) -> NDArray[np.float64]:
        """(n,) |log10(predicted / true)|."""
        errors: NDArray[np.float64] = np.abs(np.log10(self.predicted / self.truth))
        return errors


class EvaluationStore:
    """Evaluations in the store of results, and their predictions in a work folder."""

    def __init__(self, results: Path, work: Path) -> None:
        """Open the store.

        Args:
            results: The `.jsonl` file of the benchmark; made with the first evaluation.
            work: Folder of predictions row by row, `predictions/NAME.csv`.
        """
        self.records = RecordFile(results)
        self._folder = work / "predictions"
        self._stored = {evaluation.name for evaluation in self.evaluations()}

    def evaluations(self) -> list[Evaluation]:
        """All stored evaluations, by name."""
        return self.records.read(Evaluation)

    def has(self, key: EvaluationKey) -> bool:
        """Whether the evaluation is stored and its predictions are in the work folder."""
        return key.name in self._stored and self._path(key).is_file()

    def add(
        self,
        key: EvaluationKey,
        predictions: Predictions,
        *,
        n_train: float,
        seconds: float,
        n_left_out: int = 0,
        cross_fidelity: bool = False,
        details: dict[str, Any] | None = None,
    ) -> Evaluation:
        """Compute the metrics of predictions and store both."""
        found = Evaluation(
            study=key.study,
            model=key.model,
            train=key.train,
            test=key.test,
            split=key.split,
            cross_fidelity=cross_fidelity,
            n_train=n_train,
            n_left_out=n_left_out,
            metrics=measure(predictions.truth, predictions.predicted, np.asarray(predictions.formulas)),
            details=details or {},
            seconds=round(seconds, 1),
            date=today(),
            versions=versions(),
        )
        evaluation = Evaluation.model_validate(_to_six_digits(found.model_dump(mode="json")))
        self._write(key, predictions)
        self.records.add(evaluation)
        self._stored.add(key.name)
        return evaluation

    def predictions(self, key: EvaluationKey) -> Predictions:
        """The predictions of a stored evaluation."""
        with self._path(key).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        ids, formulas, groups = ([row[column] for row in rows] for column in _CSV_COLUMNS[:3])
        truth, predicted, spread, distance = (
            np.array([float(row[column]) for row in rows]) for column in _CSV_COLUMNS[3:]
        )
        return Predictions(ids, formulas, groups, truth, predicted, spread, distance)

    def _path(self, key: EvaluationKey) -> Path:
        return self._folder / f"{key.name}.csv"

    def _write(self, key: EvaluationKey, predictions: Predictions) -> None:
        numbers = (predictions.truth, predictions.predicted, predictions.spread, predictions.distance)
        columns = (predictions.ids, predictions.formulas, predictions.groups, *(array.tolist() for array in numbers))
        with atomic_path(self._path(key)) as partial, partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(_CSV_COLUMNS)
            writer.writerows(zip(*columns, strict=True))


def _to_six_digits(value: Any) -> Any:
    """All floats in nested lists and dictionaries, rounded to six significant digits."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _to_six_digits(item) for key, item in value.items()}
    return [_to_six_digits(item) for item in value] if isinstance(value, list) else value
