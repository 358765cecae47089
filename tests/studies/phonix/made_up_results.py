"""Stored results as they would be of two recipes, with invented predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from studies.phonix.agl_rung import AglPredictions, agl_results
from studies.phonix.evaluations import PhonixEvaluation, evaluations
from studies.phonix.intervals import LabelErrors
from studies.phonix.labels import DftLabels
from studies.phonix.measured import measured_results, measured_splits
from studies.phonix.predictions import cross_validate
from studies.phonix.results import PhonixResults
from studies.phonix.splits import PROTOCOLS, family_splits
from studies.shipped_models import MODELS
from studies.transfer.learners import LearnerOutput
from tests.studies.phonix.synthetic import synthetic_labels

LABELS = synthetic_labels()
MEASURED = synthetic_labels(n_heuslers=12)
"""The same, and measured values after them."""


class Noisy:
    """Predicts the truth times a random factor, and says how far it is off."""

    def __init__(self, sigma: float, labels: DftLabels = LABELS) -> None:
        self.sigma, self.kappa = sigma, labels.kappa

    def __call__(self, train, test) -> LearnerOutput:
        rng = np.random.default_rng(len(train))
        spread = np.full(len(test), self.sigma)
        off = self.sigma * rng.standard_normal(len(test))
        return LearnerOutput(np.log(self.kappa[test]) + off, spread, rng.uniform(0.2, 1.4, len(test)))


def made_up_results(folder: Path, sigma: float = 0.3) -> PhonixResults:
    """Results of the shipped recipes on the synthetic labels, computed in a folder."""
    found, agl, calibrations = [], [], []
    protocols = {name: list(splits(LABELS)) for name, splits in PROTOCOLS.items()}
    protocols["family"] = list(family_splits(LABELS, 4))
    for model in MODELS:
        predicted = {
            name: cross_validate(lambda: Noisy(sigma), splits, len(LABELS.rows), folder / model / name)
            for name, splits in protocols.items()
        }
        errors = LabelErrors(LABELS, predicted)
        for name, one in predicted.items():
            half = errors.half_widths(one)
            found += evaluations(f"{model} dft", name, LABELS, one, half_widths=half, seed=1)
            for kind in ("trees", "agl and one constant"):
                found += evaluations(f"{model} {kind}", name, LABELS, one, seed=1)
        truth = np.log([row.kappa for row in LABELS.rows])
        spread = np.full(len(truth), sigma)
        of_rung = AglPredictions(truth + 0.2, spread, np.full(len(truth), 0.5), np.array(1.0), np.array(7))
        of_agl = agl_results(model, LABELS.rows, of_rung)
        agl.append(of_agl[0])
        calibrations += [of_agl[1], errors.calibration(model)]
        upper = cross_validate(
            lambda: Noisy(sigma, MEASURED),
            list(measured_splits(MEASURED)),
            len(MEASURED.rows),
            folder / model / "upper",
        )
        for one in measured_results(model, MEASURED, upper, 1):
            (found if isinstance(one, PhonixEvaluation) else calibrations).append(one)
    return PhonixResults(found, agl, calibrations)


def made_up_continuity() -> dict:
    """What the study of continuity stores of one model."""
    moved = [{"distance_angstrom": d, "n_supercells": 10, "largest_change": d * 0.4} for d in (0.02, 0.05)]
    volume = {
        "falling": 1.0,
        "median_slope": -5.0,
        "without_step": 1.0,
        "median_gruneisen_difference": 0.1,
    }
    rounded = {"n": 30, "decimals": 3, "within_5_percent": 1.0, "largest_change": 0.01}
    return {"moved": moved, "rounded": rounded, "volume": {"Phonix": volume}}
