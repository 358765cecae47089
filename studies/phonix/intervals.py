"""Calibrated intervals on the rung `dft`, from predictions of formulas, prototypes and anions left out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from kappatune.model.folds import Rows
from kappatune.training.conformal import fit_widths
from studies.phonix.labels import DftLabels
from studies.phonix.predictions import ProtocolPredictions, rows_tested
from studies.store import today
from studies.transfer.calibrate import LEVEL, NamedErrors, calibrate, cross_coverage, together
from studies.transfer.intervals import CalibrationResult

NEAR = ("formula",)
"""Protocols whose errors set the width inside the domain."""

FAR = ("prototype", "anion")
"""Protocols each of whose splits counts the same for the width outside it, beside the errors of `NEAR` there."""

CALIBRATED_ON = (*NEAR, *FAR)


class LabelErrors:
    """The errors that intervals are calibrated on, from which those of tested formulas can be left out."""

    def __init__(self, labels: DftLabels, predicted: Mapping[str, ProtocolPredictions]) -> None:
        """Collect the errors.

        Args:
            labels: All labels.
            predicted: Predictions of the protocols of `CALIBRATED_ON`.
        """
        self._labels, self._anions = labels, predicted["anion"]
        self._near = together([errors_of(labels, predicted[name], rows_tested(predicted[name])) for name in NEAR])
        self._far = [errors_of(labels, predicted[name], s.test) for name in FAR for s in predicted[name].splits]

    def half_widths(self, tested: ProtocolPredictions) -> NDArray[np.float64]:
        """(n,) half-widths in ln kappa, NaN where a row is not tested.

        The intervals of a split are calibrated on predictions of formulas that it does not test.
        """
        half = np.full(len(self._labels.rows), np.nan)
        for split in tested.splits:
            formulas = self._labels.formulas[split.test]
            others = [errors.without(formulas) for errors in self._far]
            widths = fit_widths(self._near.without(formulas), others, LEVEL)
            half[split.test] = widths.half_width(errors_of(self._labels, tested, split.test))
        return half

    def calibration(self, model: str) -> CalibrationResult:
        """The calibration of a model of this name, and its coverage."""
        of_row = {name: k for k, name in enumerate(row_names(self._labels))}
        rows = [of_row[name] for name in self._near.crystals.tolist()]
        kappa, families = self._labels.kappa[rows], self._labels.families[rows].tolist()
        coverage = cross_coverage(self._near, self._far, kappa, families)
        fitted = calibrate(self._near, self._far, date=today())
        return CalibrationResult(
            model=model, fidelity="dft", calibration=fitted, coverage=coverage, left_out=self._left_out()
        )

    def _left_out(self) -> dict[str, float]:
        """Coverage for each group of anions left out, by intervals that know no prediction of its formulas."""
        half = self.half_widths(self._anions)
        held = {}
        for split in self._anions.splits:
            size = np.abs(errors_of(self._labels, self._anions, split.test).error)
            held[split.part] = float((size <= half[split.test]).mean())
        return held


def errors_of(labels: DftLabels, predicted: ProtocolPredictions, rows: Rows) -> NamedErrors:
    """Errors of the predictions of some rows, which the protocol tests."""
    output = predicted.output
    return NamedErrors(
        output.ln_kappa[rows] - np.log(labels.kappa[rows]),
        output.spread[rows],
        output.distance[rows] > 1,
        labels.formulas[rows],
        np.array(row_names(labels))[rows],
    )


def row_names(labels: DftLabels) -> list[str]:
    """(n,) a name for each row: the set, its number, and the id."""
    return [f"{s} {k} {row.crystal.id}" for k, (s, row) in enumerate(zip(labels.set_of, labels.rows, strict=True))]
