from __future__ import annotations

import math

import pytest

from kappatune import KappaModel
from kappatune.errors import UserError
from studies.phonix.accuracy_page import accuracy_page
from studies.phonix.accuracy_rows import FIGURES
from studies.phonix.agl_rung import OF_DFT
from studies.phonix.evidence import CRYSTALS, evidence
from studies.phonix.interval_goals import misses
from studies.phonix.model_card import model_card
from studies.phonix.reproducibility import NAMED, compared, reproducibility_text
from studies.phonix.results import PhonixResults
from studies.shipped_models import MODELS
from studies.store import RecordFile, load_result
from tests.studies.phonix.made_up_results import made_up_continuity, made_up_results

AGREEMENT = load_result("labels")["agreement"]
AGAIN = {"n": 3, "dates": [["2026-01-01"], ["2026-01-02"]], "largest_difference": 0.0, "named": []}
CONTINUITY = {"models": {name: made_up_continuity() for name in MODELS}}


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> PhonixResults:
    return made_up_results(tmp_path_factory.mktemp("work"))


def test_results_are_read_as_stored(results, tmp_path):
    records = RecordFile(tmp_path / "phonix.jsonl")
    for kind in (results.evaluations, results.agl, results.calibrations):
        records.add(*kind)
    again = PhonixResults.read(records.path)
    assert again.metrics("fast dft", "formula", "L96") == results.metrics("fast dft", "formula", "L96") is not None
    assert again.interval_calibrations("fast") == results.interval_calibrations("fast")
    assert set(again.interval_calibrations("fast")) == {"agl", "dft", "experiment"}
    assert again.interval_calibrations("slow") == {} and again.agl_of("slow", OF_DFT) is None


def test_evidence_says_for_which_crystals_each_rung_is_good(results):
    found = evidence("fast", results)
    first, families = found.tables
    rows = [dict(zip(first.columns, row, strict=True)) for row in first.rows]
    assert [(row["rung"], row["crystals"]) for row in rows] == [
        *((rung, name) for rung, name, *_ in CRYSTALS),
        ("agl", "new formulas"),
    ]
    metrics = results.metrics("fast dft", "prototype", "all sets")
    (prototypes,) = (row for row in rows if row["crystals"] == "new prototypes")
    assert prototypes["mean abs log10 error"] == pytest.approx(metrics.mean_abs_log10, abs=6e-4)
    assert prototypes["held by 90 %"] == round(metrics.intervals.coverage, 2)
    assert rows[-1]["mean abs log10 error"] == round(0.2 / math.log(10), 3) and rows[-1]["in domain"] == 1.0
    assert "synthetic" not in first.note and families.columns[0] == "family"
    assert {share.fidelity for share in found.calibration} == {"agl", "dft", "experiment"}


def test_the_page_has_every_figure_and_says_what_is_missed(results):
    text = accuracy_page(results, [], AGREEMENT, CONTINUITY, AGAIN)
    assert all(f"| {figure.title} | " in text for figure in FIGURES)
    bad = next(figure for figure in FIGURES if figure.protocol == "formula" and figure.tested == "L96")
    metrics = results.metrics("fast dft", "formula", "L96")
    assert (f"{bad.title} ({metrics.mean_abs_log10:.3f}, ≤ 0.150)" in text) is not bad.is_met(metrics)
    assert "| 10 supercells, atoms moved by 0.05 Å: largest change | ≤ 20 % | 2.0 % | 2.0 % |" in text
    assert "## Intervals" in text and "## Families left out" in text and "Where not to trust" in text


def test_a_page_without_results_says_so_and_claims_nothing():
    text = accuracy_page(PhonixResults(), [], AGREEMENT, CONTINUITY, AGAIN)
    assert "Computed not yet" in text and "## Intervals" not in text and "misses" not in text
    assert "| Phonix, anions out, 8 folds | – | – |" in text


def test_two_runs_are_compared_error_by_error(results):
    first = [
        one.model_copy(update={"model": model, "protocol": protocol, "tested": tested})
        for one, (model, protocol, tested) in zip(
            results.evaluations, (*NAMED, ("fast dft", "low", "L96")), strict=False
        )
    ]
    off = first[1].metrics.model_copy(update={"mean_abs_log10": 1.01 * first[1].metrics.mean_abs_log10})
    second = [first[0], first[1].model_copy(update={"metrics": off}), first[2]]
    found = compared(first, second)
    assert found["n"] == 3 and found["largest_difference"] == pytest.approx(0.01)
    assert "differ by at most 0.01 of their value" in reproducibility_text(found)
    assert "are equal to the last digit" in reproducibility_text(compared(first, first))
    with pytest.raises(UserError, match="the second run has no error of accurate dft, formula, Phonix"):
        compared(first, second[1:])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"coverage": 0.95}, "held 0.950"),
        ({"coverage": 0.86}, "held 0.860"),
        ({"median_width_inside": 4.5}, "width 4.5 above 4"),
        ({"median_width_outside": 13.0}, "width 13.0 above 12"),
    ],
)
def test_a_goal_for_intervals_that_is_missed_is_named(results, change, word):
    metrics = results.metrics("fast dft", "formula", "all sets")
    good = {"coverage": 0.9, "median_width_inside": 3.0, "median_width_outside": 8.0}
    parts = {
        name: [part.model_copy(update={"coverage": 0.9}) for part in getattr(metrics, name)]
        for name in ("thirds_kappa", "thirds_n_sites")
    }
    base = metrics.model_copy(update={**parts, "families": {}, "intervals": metrics.intervals.model_copy(update=good)})
    assert misses(base, "formula", 0.87, 0.93) == []
    changed = base.model_copy(update={"intervals": base.intervals.model_copy(update=change)})
    assert misses(changed, "formula", 0.87, 0.93) == [word]
    low = base.thirds_kappa[0].model_copy(update={"coverage": 0.7})
    worse = base.model_copy(update={"thirds_kappa": [low, *base.thirds_kappa[1:]]})
    assert misses(worse, "formula", 0.87, 0.93) == ["low κ held 0.70"]


def test_a_domain_that_tells_little_is_named(results):
    metrics = results.metrics("fast dft", "family", "all sets")
    told = {ratio: metrics.intervals.model_copy(update={"coverage": 0.8, "error_ratio": ratio}) for ratio in (1.4, 1.6)}
    found = {
        ratio: misses(metrics.model_copy(update={"intervals": q}), "family", 0.75, 1.0) for ratio, q in told.items()
    }
    assert found == {1.4: ["error out / in 1.40"], 1.6: []}


def test_the_card_describes_the_shipped_models(results):
    cards = [KappaModel.load(name).card for name in ("accurate", "fast")]
    text = model_card(cards, results)
    for card in cards:
        assert card.weights_sha256[:12] in text and f"{len(card.formulas['agl'])} (agl)" in text
    assert "Where not to trust" in text and "| accurate | dft | new formulas | 30 |" in text
