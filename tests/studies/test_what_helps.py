"""Sentences that are not made of numbers hold only while these do."""

from __future__ import annotations

import pytest

from studies.phonix.curve_worth import gain_over_sizes, mean_and_half_width
from studies.phonix.curves_section import Curves
from studies.phonix.family_curves import FAMILY_CURVES, FamilyCell
from studies.phonix.family_curves_section import FamilyCurves
from studies.phonix.labels import PHONIX_SET
from studies.phonix.learning_curves import CURVES, CurveCell
from studies.phonix.results import PhonixResults
from studies.phonix.stage_curves_section import SHOWN
from studies.store import RecordFile
from studies.transfer.cells import Cells, Where
from studies.transfer.multiple_tests import findings
from studies.transfer.recipes import ACCURATE, FAST
from studies.transfer.results import TransferResults
from studies.transfer.what_helps_page import (
    ACROSS,
    BY_FORMULA,
    CRABNET,
    FAMILY_OUT,
    HH143_TO_L96,
    L96_TO_HH143,
    WITHIN,
)


@pytest.fixture(scope="module")
def cells() -> Cells:
    results = TransferResults.read()
    return Cells(results.evaluations, findings(results.comparisons))


@pytest.mark.parametrize("where", WITHIN)
def test_formation_energies_help_within_a_family_and_agl_values_are_not_shown_to(cells, where):
    assert cells.finding("step-1", "step-2", where).shown == "lower error"
    assert cells.finding("step-2", "step-3", where).shown == "no difference shown"


def test_agl_values_help_from_binaries_to_half_heuslers_and_the_reverse_is_not_shown(cells):
    there, back = ACROSS
    assert cells.finding("step-1", "step-2", there).shown == "higher error"
    assert cells.finding("step-2", "step-3", there).shown == "lower error"
    assert cells.finding("step-2", "step-3", back).shown == "no difference shown"


def test_fast_is_better_on_new_dft_families_and_nowhere_worse_but_accurate_is_on_agl(cells):
    new = {where: cells.finding(FAST, ACCURATE, where).shown for where in (FAMILY_OUT, L96_TO_HH143)}
    assert set(new.values()) == {"higher error"}
    for where in (*BY_FORMULA, *WITHIN, HH143_TO_L96):
        assert cells.finding(FAST, ACCURATE, where).shown == "no difference shown"
    assert cells.finding(FAST, ACCURATE, CRABNET).shown == "lower error"


def test_the_slack_formula_ranks_families_left_out_better_than_the_models(cells):
    rank = {model: cells.metric(model, FAMILY_OUT, "spearman") for model in ("slack", FAST, ACCURATE)}
    assert rank["slack"] > rank[FAST] > rank[ACCURATE]


def test_what_is_said_of_other_kinds_of_crystals_holds():
    phonix = PhonixResults.read()
    for model in (ACCURATE, FAST):
        dft, agl = (phonix.metrics(f"{model} {rung}", "shipped", PHONIX_SET) for rung in ("dft", "agl"))
        assert agl.mean_abs_log10 < dft.mean_abs_log10 and agl.spearman > dft.spearman


def test_a_number_that_is_not_stored_is_refused(cells):
    with pytest.raises(KeyError, match="no evaluation of step-3"):
        cells.metric("step-3", Where("AFLOW", "AFLOW"))


@pytest.mark.parametrize("is_all", [False, True])
@pytest.mark.parametrize(
    "pair",
    [
        ("trees", "trees-agl"),
        ("process", "process-agl"),
        ("nothing", "agl"),
        ("formation-energies", "formation-energies-agl"),
    ],
)
def test_no_gain_by_agl_values_alone_is_seen_on_families_of_phonix(pair, is_all):
    curves = FamilyCurves(RecordFile(FAMILY_CURVES).read(FamilyCell))
    gain, half = mean_and_half_width(curves.gains(pair, is_all=is_all).mean(axis=1))
    assert len(curves.families) == 10 and gain - half < 0


@pytest.fixture(scope="module")
def stages() -> Curves:
    return Curves(RecordFile(CURVES).read(CurveCell), SHOWN)


@pytest.mark.parametrize("arm", ["minimum-kappa", "semi-empirical", "prototypes", "formation-energies-agl"])
def test_another_cheap_kappa_as_a_stage_helps_with_at_most_500_labels(stages, arm):
    worth = stages.worth(("formation-energies", arm))
    assert worth[-1].n > 500 and not any(w.is_seen for w in worth if w.n > 500)


def test_the_slack_formula_helps_with_one_stiffness_and_more_with_those_of_a_stage(stages):
    of_size = stages.worth(("formation-energies", "slack"))
    assert [w.n for w in of_size if w.is_seen] == [n for n in stages.sizes if n >= 50]
    for arm in ("moduli-slack", "agl-slack"):
        gain, half = gain_over_sizes(stages.cells, "slack", arm)
        assert gain > half
        first, *_, last = stages.worth(("slack", arm))
        assert first.is_seen and first.gain > 2 * last.gain
        assert last.gain < of_size[-1].gain / 4
