from __future__ import annotations

import pytest

from kappatune.model.bundle import SHIPPED, read_card
from studies.shipped_models import MODELS
from studies.store import load_result
from studies.transfer.finetune_coverage import CASES, TEXTBOOK, UNTAUGHT, stage_without_textbook


@pytest.mark.parametrize("name", MODELS)
def test_a_start_without_measured_values_learns_the_other_tables_as_the_shipped_model_did(name):
    card = read_card(SHIPPED / name)
    stage = stage_without_textbook(card)
    (taught,) = (s for s in card.recipe["stages"] if s["name"] == stage.name)
    assert [*stage.data, TEXTBOOK] == taught["data"] and stage.joined == ()
    assert stage.learner == taught["learner"]


def test_the_stored_result_names_the_models_it_asked():
    result = load_result("finetune_coverage")
    assert {case["model"].removesuffix(UNTAUGHT) for case in result["cases"]} == result["weights_sha256"].keys()


def test_measured_half_heuslers_are_asked_of_a_start_that_has_learnt_none():
    assert CASES["half-Heuslers"] and all(start.endswith(UNTAUGHT) for start in CASES["half-Heuslers"])
    experiment = next(s for s in read_card(SHIPPED / "accurate").recipe["stages"] if s["name"] == "experiment")
    assert "experiment_heusler.parquet" in experiment["data"]
