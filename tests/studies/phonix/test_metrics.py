from __future__ import annotations

import numpy as np
import pytest

from studies.phonix.labels import labels_of
from studies.phonix.metrics import Intervals, measure
from tests.studies.phonix.synthetic import HALIDES, row


def many_labels(n=300):
    kappa = np.geomspace(0.1, 100.0, n)
    rows = [
        row(HALIDES[k % len(HALIDES)], "rocksalt", float(v), f"r{k}", n_sites=2.0 + k % 3) for k, v in enumerate(kappa)
    ]
    return labels_of({"Phonix": rows}, {})


def test_perfect_predictions():
    labels = many_labels()
    metrics = measure(labels, np.arange(300), labels.kappa)
    assert metrics.mean_abs_log10 == metrics.bias_log10 == 0.0
    assert metrics.median_factor == metrics.spearman == 1.0
    assert metrics.below_1_of_100_lowest == 100
    assert metrics.enrichment_lowest == pytest.approx(20.0)
    assert metrics.intervals is None and metrics.n_formulas == len(HALIDES)


def test_a_constant_factor_is_a_bias_in_every_part():
    labels = many_labels()
    metrics = measure(labels, np.arange(300), 2.0 * labels.kappa)
    parts = [*metrics.thirds_kappa, *metrics.thirds_n_sites, *metrics.families.values()]
    assert [part.n for part in metrics.thirds_kappa] == [100, 100, 100] == [part.n for part in metrics.thirds_n_sites]
    assert all(part.bias_log10 == pytest.approx(np.log10(2.0)) == part.mean_abs_log10 for part in parts)


def test_lowest_predictions_are_counted_by_their_true_values():
    labels = many_labels()
    upside_down = measure(labels, np.arange(300), 1.0 / labels.kappa)
    assert upside_down.below_1_of_100_lowest == 0 and upside_down.enrichment_lowest == 0.0
    assert upside_down.spearman == pytest.approx(-1.0)


def test_intervals_and_domain():
    labels = many_labels()
    predicted = labels.kappa * np.where(np.arange(300) < 200, 1.1, 4.0)
    inside = np.arange(300) < 200
    width = np.where(inside, 2.0, 3.0)
    metrics = measure(
        labels, np.arange(300), predicted, Intervals(lower=predicted / width, upper=predicted * width, in_domain=inside)
    )
    quality = metrics.intervals
    assert quality is not None
    assert quality.coverage == pytest.approx(2 / 3) and quality.outside == pytest.approx(1 / 3)
    assert quality.median_width_inside == pytest.approx(4.0) and quality.median_width_outside == pytest.approx(9.0)
    assert quality.error_ratio == pytest.approx(np.log10(4.0) / np.log10(1.1))
    assert [part.coverage for part in metrics.thirds_kappa] == [1.0, 1.0, 0.0]


def test_few_rows_have_no_screen():
    labels = many_labels()
    metrics = measure(labels, np.array([0, 200]), labels.kappa[[0, 200]])
    assert metrics.below_1_of_100_lowest is None and metrics.enrichment_lowest is None and metrics.spearman is None
