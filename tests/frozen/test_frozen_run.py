"""A training run that 0.1.0 began (commit 2a8fab9); its weights are not stored, those of this version stand in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from kappatune.training import train
from kappatune.training.recipe import BadRun
from tests.training.tiny import recipe, stage, tables, weights_of

RUN = Path(__file__).parent / "v0_1_0" / "run"
STAGES = (stage("agl", frozen=["host"]), stage("dft", frozen=["host"]))


@pytest.fixture
def interrupted(tmp_path):
    """Completed stages as 0.1.0 stored them, and the weights they ended with."""
    out = tmp_path / "out"
    whole = train(recipe(*STAGES), tables, out)
    for name in ("card.json", "weights.safetensors"):
        (out / name).unlink()
    stored = {path.relative_to(RUN) for path in RUN.rglob("*") if path.is_file()}
    assert all((out / "run" / path).is_file() for path in stored)
    shutil.copytree(RUN, out / "run", dirs_exist_ok=True)
    return out, weights_of(whole)


def test_a_run_of_0_1_0_continues(interrupted):
    out, before = interrupted
    model = train(recipe(*STAGES, description="In other words."), tables, out, resume=True)
    after = weights_of(model)
    assert all(np.array_equal(value, after[name]) for name, value in before.items())
    for name in ("agl", "dft"):
        result = json.loads((RUN / "member-1" / name / "done.json").read_text())
        assert model.card.metrics[name] == [{"seed": 3, **result}]


def test_a_run_of_0_1_0_with_another_recipe_is_refused(interrupted):
    out, _ = interrupted
    with pytest.raises(BadRun, match="holds a run of another recipe"):
        train(recipe(STAGES[0], stage("dft", epochs=4)), tables, out, resume=True)
