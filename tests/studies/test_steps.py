from __future__ import annotations

import numpy as np

from kappatune import KappaModel
from kappatune.progress import Event
from kappatune.structures.table import LabelledCrystal, LabelledTable
from kappatune.training.recipe import read_recipe
from studies.transfer import steps
from studies.transfer.evaluations import EvaluationStore
from studies.transfer.research_tables import ResearchTables
from studies.transfer.steps import PaperSteps, evaluate_step
from tests.builders import rocksalt, zincblende


def test_a_set_whose_formulas_were_all_trained_on_is_not_evaluated(tmp_path, monkeypatch):
    halides = [LabelledCrystal(rocksalt(3 + k, 9, 4.0 + 0.1 * k, id=f"l{k}"), 5.0 + k, "dft") for k in (0, 8, 16)]
    others = [LabelledCrystal(zincblende(13, k, 5.5, id=f"h{k}"), 9.0 + k, "dft") for k in (15, 33, 51)]
    every = [*halides, *others]
    research = ResearchTables(
        dft={"L96": halides, "HH143": others},
        aflow=LabelledTable("aflow", every, [], ""),
        textbook=[],
        family={row.crystal.id: "other" for row in every},
        paper_splits={
            "L96": {1: (np.array([0]), np.array([1, 2]))},
            "HH143": {1: (np.array([0]), np.array([1, 2]))},
            "MIX": {1: (np.array([0, 1, 2, 3]), np.array([4, 5]))},
            "AFLOW": {1: (np.array([0, 1, 2]), np.array([3, 4, 5]))},
        },
        crabnet_part={},
        crabnet_kappa={},
        published={},
    )
    monkeypatch.setattr(steps, "_trained", lambda *_: KappaModel.load("fast"))
    recipe = read_recipe("step-1")
    dft = recipe.stages[-1]
    events: list[Event] = []
    store = EvaluationStore(tmp_path / "results.jsonl", tmp_path / "work")
    plan = PaperSteps(scratch=recipe, pretrained=recipe, agl=dft, dft=dft)
    evaluate_step(research, plan, "step-1", "AFLOW", 1, store, tmp_path, events.append)
    evaluations = {e.test: e for e in store.evaluations()}
    assert evaluations.keys() == {"HH143", "MIX", "AFLOW"}, "all of L96 was trained on"
    assert any("l96" in line and "trained on" in line for line in map(str, events))
    assert (
        evaluations["AFLOW"].metrics.n == 3
        and evaluations["HH143"].cross_fidelity
        and not evaluations["AFLOW"].cross_fidelity
    )
