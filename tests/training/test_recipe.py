from __future__ import annotations

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kappatune.model.heads import TargetScaler
from kappatune.training.recipe import BadRecipe, Recipe, read_recipe, shipped_recipes

MINIMAL = {"name": "x", "host": "megnet-mp-2018.6.1-log10K", "stages": [{"name": "dft", "epochs": 1}]}


def test_every_shipped_recipe_reads():
    assert {"step-1", "step-2", "step-3", "finetune", "accurate", "fast"} <= set(shipped_recipes())
    for name in shipped_recipes():
        assert read_recipe(name).name == name
        assert read_recipe(f"{name}.yaml").name == name


def test_the_three_steps_differ_as_the_paper_says():
    one, two, three = (read_recipe(f"step-{k}") for k in (1, 2, 3))
    assert (one.pretrained, two.pretrained, three.pretrained) == (False, True, True)
    assert [len(r.stages) for r in (one, two, three)] == [1, 1, 2]
    assert all(r.head == (450, 350, 350) and r.embedding == "readout" for r in (one, two, three))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"host": None}, "either 'start'"),
        ({"start": "accurate"}, "either 'start'"),
        ({"seeds": [1, 1]}, "two seeds are the same"),
        ({"stages": []}, "stages"),
        ({"stages": [{"name": "a", "epochs": 1}, {"name": "a", "epochs": 1}]}, "two stages have the same name"),
        ({"stages": [{"name": "a", "epochs": 0}]}, r"stages\.0\.epochs"),
        ({"stages": [{"name": "a", "epochs": 1, "learning_speed": 1}]}, r"stages\.0\.learning_speed"),
        ({"composition": "debye"}, "begins with a stage of fidelity 'agl'"),
        ({"stages": [{"name": "a", "epochs": 1, "loss_weights": {"gruneisen": 1}}]}, "no column"),
        ({"stages": [{"name": "a", "epochs": 1, "properties": {"gruneisen": "g"}}]}, "only a 'debye' model"),
        ({"host": None, "start": "accurate", "head": [3]}, "head come from the model"),
    ],
)
def test_a_recipe_that_does_not_fit_names_the_field(tmp_path, change, message):
    recipe = {key: value for key, value in {**MINIMAL, **change}.items() if value is not None}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(recipe))
    with pytest.raises(BadRecipe, match=message):
        read_recipe(tmp_path / "r.yaml")


def test_unknown_or_broken_recipe(tmp_path):
    with pytest.raises(BadRecipe, match="no recipe 'nothing'"):
        read_recipe("nothing")
    with pytest.raises(BadRecipe, match="no recipe"):
        read_recipe(tmp_path / "finetune.yaml")
    (tmp_path / "r.yaml").write_text("a: [")
    with pytest.raises(BadRecipe, match="YAML"):
        read_recipe(tmp_path / "r.yaml")


def test_a_recipe_survives_its_card():
    for name in shipped_recipes():
        recipe = read_recipe(name)
        assert Recipe.model_validate_json(recipe.model_dump_json()).stages == recipe.stages


def test_no_network_output_overflows():
    for transform in ("ln", "log10_1p"):
        scaled = torch.tensor([-1e4, 1e4], requires_grad=True)
        kappa = TargetScaler(transform=transform, mean=1.0, std=1.0).decode(scaled)
        kappa.sum().backward()
        assert torch.isfinite(kappa).all() and torch.isfinite(scaled.grad).all()


def test_a_prediction_below_zero_still_learns():
    """Near zero `log10_1p` decodes to less than nothing; a clamp there would leave mape without a gradient."""
    scaler = TargetScaler(transform="log10_1p", mean=0.0, std=1.0)
    scaled = torch.tensor([-0.5], requires_grad=True)
    ((scaler.decode(scaled) - 3.0).abs() / 3.0).sum().backward()
    assert scaled.grad.abs() > 0.01
    assert scaler.ln_kappa(scaled).exp().item() == pytest.approx(1e-4)


@given(
    st.lists(st.floats(min_value=0.01, max_value=5000), min_size=2, max_size=20), st.sampled_from(["ln", "log10_1p"])
)
def test_the_scaler_undoes_itself(kappa, transform):
    scaler = TargetScaler.fit(np.array(kappa), transform)
    values = torch.tensor(kappa, dtype=torch.float64)
    assert torch.allclose(scaler.decode(scaler.encode(values)), values, rtol=1e-6, atol=1e-9)
