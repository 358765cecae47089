from __future__ import annotations

import numpy as np
import pytest
import torch

from studies.phonix.evaluations import evaluations
from studies.phonix.process import Inputs, cross_validate, fit_and_predict, stored_inputs
from studies.phonix.splits import formula_splits
from tests.studies.phonix.synthetic import synthetic_labels

LABELS = synthetic_labels()


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return stored_inputs(LABELS, tmp_path_factory.mktemp("inputs") / "inputs.npz")


def test_inputs_are_finite_and_grouped(inputs):
    assert inputs.values.shape[0] == len(LABELS.rows) == len(inputs.ln_kappa)
    assert [len(group) for group in inputs.groups] == [88, 148, 8]
    assert torch.isfinite(inputs.values).all() and np.isfinite(inputs.ln_kappa).all()
    same = [i for i, formula in enumerate(LABELS.formulas) if formula == "NaCl"]
    assert torch.allclose(inputs.values[same[0]], inputs.values[same[1]], atol=1e-4)


def test_tested_values_play_no_part(inputs):
    split = next(iter(formula_splits(LABELS)))
    truth = np.log(LABELS.kappa)
    other = truth.copy()
    other[split.test] += 5.0
    assert np.array_equal(*(fit_and_predict(inputs, ln_kappa, split, 1)[0] for ln_kappa in (truth, other)))


def test_killed_run_repeats_no_split(inputs, tmp_path):
    splits = list(formula_splits(LABELS))
    first = cross_validate(LABELS, inputs, splits, tmp_path)
    tested = LABELS.set_of != "textbook"
    assert np.isfinite(first[0][tested]).all() and np.isnan(first[0][~tested]).all()
    nothing = Inputs(torch.full_like(inputs.values, torch.nan), inputs.groups, inputs.ln_kappa)
    again = cross_validate(LABELS, nothing, splits, tmp_path)
    assert np.array_equal(first[0], again[0], equal_nan=True)


def test_intervals_are_as_wide_as_the_spread_says():
    n = len(LABELS.rows)
    truth = np.log(LABELS.kappa)
    off = {}
    for sigmas in (1.6, 1.7):
        found = evaluations(
            "m", "prototype", LABELS, truth + 0.1 * sigmas, np.full(n, 0.1), np.ones(n, dtype=bool), seed=1, seconds=0.0
        )
        (only,) = found
        off[sigmas] = only.metrics.intervals
        assert only.tested == "Phonix" and only.metrics.bias_log10 == pytest.approx(0.1 * sigmas / np.log(10))
    assert (off[1.6].coverage, off[1.7].coverage, off[1.6].outside) == (1.0, 0.0, 0.0)
    assert np.log(off[1.6].median_width_inside) == pytest.approx(2 * 1.645 * 0.1)
