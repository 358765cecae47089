"""Cells of the benchmark: one model, trained on one thing and tested on another. Results are data."""

from __future__ import annotations

import csv
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from studies.transfer.metrics import Metrics, measure

Study = Literal["paper", "grouped", "transfer", "aflow", "crabnet"]


class Cell(BaseModel):
    """One stored result.

    Attributes:
        schema_version: Version of this format.
        study: `paper` (its nine splits), `grouped` (repeated cross-validation), `transfer` (train on one set, test on
            another), `aflow` (5-fold by formula), `crabnet` (its published split).
        model: `step-1` to `step-3`, `step-3-seen`, `accurate`, `fast`, or the name of a baseline.
        train: What was trained on.
        test: What was tested on.
        split: Which split: `run-3`, `formula-0`, `anion-0`, ...; one cell holds all folds of a repeat.
        cross_fidelity: Whether labels of one fidelity are tested against a model of another.
        n_train: Training rows, the mean over folds.
        n_left_out: Test rows left out because their formula was trained on, or because the model cannot answer.
        metrics: Over all test rows of the cell.
        details: What is worth knowing besides: epochs, seeds, best epochs.
        seconds: Time the cell took, without rungs that it shares with others.
        date: When, ISO 8601.
        versions: Of the libraries.
    """

    model_config = ConfigDict(extra="forbid")

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
    details: dict[str, Any] = {}
    seconds: float
    date: str
    versions: dict[str, str]

    @property
    def name(self) -> str:
        """File name of the cell."""
        return evaluation_name(self.study, self.model, self.train, self.test, self.split)


@dataclass(frozen=True)
class Answered:
    """Predictions of a cell, row by row. They stay in the work folder: tables we may not ship are among them.

    Attributes:
        ids: (n,) name of each crystal.
        formulas: (n,) reduced formulas.
        groups: (n,) family of each crystal.
        truth: (n,) W/(m K).
        predicted: (n,) W/(m K).
        spread: (n,) standard deviation of ln kappa that the model gives itself; NaN if it gives none.
        distance: (n,) distance to the training crystals, above 1 outside their domain (`model.domain.Domain`); NaN
            if the model knows no domain.
    """

    ids: Sequence[str]
    formulas: Sequence[str]
    groups: Sequence[str]
    truth: NDArray[np.float64]
    predicted: NDArray[np.float64]
    spread: NDArray[np.float64]
    distance: NDArray[np.float64]


def evaluation_name(study: str, model: str, train: str, test: str, split: str) -> str:
    """File name of a cell, without its ending."""
    return f"{study}__{model}__{train}__{test}__{split}".lower()


class Store:
    """Where cells and predictions lie: one file each, written whole or not at all."""

    def __init__(self, results: Path, work: Path) -> None:
        self.results = results
        self.predictions = work / "predictions"
        self.results.mkdir(parents=True, exist_ok=True)
        self.predictions.mkdir(parents=True, exist_ok=True)

    def has(self, name: str) -> bool:
        """Whether the cell is there, with its predictions."""
        return (self.results / f"{name}.json").is_file() and (self.predictions / f"{name}.csv").is_file()

    def put(
        self,
        study: Study,
        model: str,
        train: str,
        test: str,
        split: str,
        answered: Answered,
        *,
        n_train: float,
        seconds: float,
        n_left_out: int = 0,
        cross_fidelity: bool = False,
        details: dict[str, Any] | None = None,
    ) -> Cell:
        """Measure and store a cell."""
        cell = Cell(
            study=study,
            model=model,
            train=train,
            test=test,
            split=split,
            cross_fidelity=cross_fidelity,
            n_train=n_train,
            n_left_out=n_left_out,
            metrics=measure(answered.truth, answered.predicted, np.asarray(answered.formulas)),
            details=details or {},
            seconds=round(seconds, 1),
            date=datetime.now(UTC).date().isoformat(),
            versions={"python": platform.python_version(), **{n: version(n) for n in ("kappatune", "torch", "numpy")}},
        )
        rows = zip(
            answered.ids,
            answered.formulas,
            answered.groups,
            answered.truth.tolist(),
            answered.predicted.tolist(),
            answered.spread.tolist(),
            answered.distance.tolist(),
            strict=True,
        )
        path = self.predictions / f"{cell.name}.csv"
        partial = path.with_suffix(".partial")
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "formula", "group", "kappa_w_mk", "predicted_w_mk", "spread_ln", "distance"])
            writer.writerows(rows)
        os.replace(partial, path)
        partial = (self.results / cell.name).with_suffix(".partial")
        partial.write_text(json.dumps(_rounded(cell.model_dump(mode="json")), indent=1) + "\n", encoding="utf-8")
        os.replace(partial, self.results / f"{cell.name}.json")
        return cell

    def answered(self, name: str) -> Answered:
        """The predictions of a stored cell."""
        with (self.predictions / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        truth, predicted, spread, distance = (
            np.array([float(row[key]) for row in rows])
            for key in ("kappa_w_mk", "predicted_w_mk", "spread_ln", "distance")
        )
        ids, formulas, groups = ([row[key] for row in rows] for key in ("id", "formula", "group"))
        return Answered(ids, formulas, groups, truth, predicted, spread, distance)


def read_evaluations(results: Path) -> list[Cell]:
    """All stored cells of a folder, by name."""
    return [Cell.model_validate_json(path.read_text(encoding="utf-8")) for path in sorted(results.glob("*__*.json"))]


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value
