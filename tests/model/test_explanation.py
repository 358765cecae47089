from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kappatune.model.explanation import FactorRow, TypicalCrystal, explain_prediction, slack_terms
from kappatune.model.kappa_model import KappaModel, UnknownFidelity
from kappatune.physics.slack import LN_SLACK_CONSTANT, ln_slack_kappa, ln_slack_terms
from kappatune.structures import Rejection
from tests.builders import rocksalt, supercell, zincblende
from tests.frozen.test_frozen import V0_1_0

lns = st.floats(0.1, 7.0)


@given(lns, st.floats(0.6, 5.0), lns, lns, lns)
def test_the_terms_sum_to_the_slack_formula(theta, gruneisen, mass, volume, n):
    terms = ln_slack_terms(theta, gruneisen, mass, volume, n)
    assert sum(terms) + LN_SLACK_CONSTANT == pytest.approx(ln_slack_kappa(theta, gruneisen, mass, volume, n))


def test_each_term_moves_with_its_quantity_alone():
    base = ln_slack_terms(6.0, 2.0, 3.0, 3.0, 1.0)
    heavier = ln_slack_terms(6.0 - 0.1, 2.0, 3.2, 3.0, 1.0)  # theta falls as m^(-1/2) at fixed stiffness
    assert heavier.mean_mass == pytest.approx(base.mean_mass - 0.1)
    assert heavier.stiffness == pytest.approx(base.stiffness)
    assert ln_slack_terms(6.0, 2.5, 3.0, 3.0, 1.0).gruneisen < base.gruneisen
    assert ln_slack_terms(6.0, 2.0, 3.0, 3.0, 2.0).cell < base.cell


@pytest.fixture(scope="module")
def model() -> KappaModel:
    return KappaModel.load("fast")


@pytest.mark.parametrize("rung", ["agl", "dft"])
def test_factors_multiply_up_exactly(model, rung):
    crystals = [rocksalt(12, 8, 4.212), zincblende(14, 14, 5.431), rocksalt(11, 17, 5.64), zincblende(48, 52, 6.48)]
    details = model.predict_with_details(crystals, rung)
    typical = TypicalCrystal(zip(crystals, details, strict=True))
    assert typical.n == 4
    masses = [(24.305 + 15.999) / 2, 28.085, (22.990 + 35.453) / 2, (112.414 + 127.60) / 2]
    for crystal, one, mass in zip(crystals, details, masses, strict=True):
        why = explain_prediction(crystal, one, typical, rung)
        product = why.typical_w_mk * math.prod(term.factor for term in why.terms)
        assert product == pytest.approx(one.prediction.kappa_w_mk, rel=1e-12)
        assert [abs(math.log(t.factor)) for t in why.terms] == sorted(
            (abs(math.log(t.factor)) for t in why.terms), reverse=True
        )
        by = {term.quantity: term for term in why.terms}
        assert by["mean_mass"].value == pytest.approx(mass, rel=1e-3)
        assert by["gruneisen"].value == pytest.approx(one.prediction.gruneisen, rel=0.05)
        assert by["cell"].value == pytest.approx(2.0)
        assert (by["correction"].factor == pytest.approx(1.0, rel=1e-4)) == (rung == "agl")


def test_the_cell_does_not_matter(model):
    crystal = rocksalt(12, 8, 4.212)
    large = supercell(crystal, (2, 1, 1))
    first, second = (slack_terms(c, model.predict_with_details([c], "dft")[0]) for c in (crystal, large))
    assert tuple(second) == pytest.approx(tuple(first), rel=1e-5)


def test_without_an_answer_there_is_nothing_to_take_apart(model):
    crystals = [rocksalt(2, 18, 30.0)]
    details = model.predict_with_details(crystals, "dft")
    typical = TypicalCrystal(zip(crystals, details, strict=True))
    assert typical.n == 0 and explain_prediction(crystals[0], details[0], typical, "dft") is None


def test_a_model_explains_crystals_row_by_row(model):
    inputs = [rocksalt(12, 8, 4.212, "MgO"), Rejection("bad", "because"), zincblende(14, 14, 5.431, "Si")]
    rows = model.explain(inputs)
    assert [row.id for row in rows] == ["MgO"] * 6 + ["bad"] + ["Si"] * 6
    predicted = {row.id: row.kappa_w_mk for row in model.predict(inputs)}
    for name in ("MgO", "Si"):
        own = [row for row in rows if row.id == name]
        assert {row.fidelity for row in own} == {"dft"} and len({row.quantity for row in own}) == 6
        product = own[0].typical_w_mk * math.prod(row.factor for row in own)
        assert product == pytest.approx(predicted[name], rel=1e-9) and own[0].kappa_w_mk == predicted[name]
    refused = rows[6]
    assert (refused.reason, refused.factor, refused.kappa_w_mk) == ("because", None, None)
    assert list(rows.to_pandas().columns) == list(FactorRow.model_fields)
    assert "few atoms per cell" in rows._repr_html_() or "usual cell" in rows._repr_html_()
    with pytest.raises(UnknownFidelity, match="has no rung 'mlip': it knows agl, dft, experiment"):
        model.explain(inputs, "mlip")


def test_a_model_without_debye_temperatures_says_why_it_explains_nothing():
    (row,) = KappaModel.load(V0_1_0 / "bundles" / "direct").explain(rocksalt(12, 8, 4.212, "MgO"))
    assert row.kappa_w_mk > 0 and row.factor is None
    assert row.reason == "this model predicts no Debye temperature, so its kappa is not a product of known factors"
