"""Training: recipes, and the runs that fit a model stage by stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kappatune.training.run import train

__all__ = ["train"]


def __getattr__(name: str) -> Any:
    """Import `train` on first use: a recipe can be read without loading Lightning."""
    if name != "train":
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from kappatune.training.run import train

    return train
