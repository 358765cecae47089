"""The recipes that the paper's matrix trains beside the paper's steps: those of the models of version 0.1.

They stay as they are, whatever is shipped, so that every stored cell of the benchmark can be computed again.
"""

from __future__ import annotations

from pathlib import Path

from kappatune.training.recipe import Recipe, read_recipe

ACCURATE, FAST = "accurate-0.1", "fast-0.1"
RECIPES = (ACCURATE, FAST)

WHAT_THEY_ARE = (
    f"`{ACCURATE}` and `{FAST}` are the recipes of version 0.1 (trees distilled into the correction; L96, HH143 and "
    "textbook values); how good today's shipped models are stands in the [model card](model-card.md)."
)
"""Said near the top of each page that quotes them."""


def recipe_0_1(name: str) -> Recipe:
    """One of `RECIPES`."""
    return read_recipe(Path(__file__).parent / f"{name}.yaml")
