"""Trained members that several evaluations share: trained once, kept in the work folder, resumed after a kill."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path

from kappatune.model.kappa_model import KappaModel
from kappatune.structures.table import LabelledTable
from kappatune.training import train
from kappatune.training.recipe import Recipe, Stage


def without_formulas(table: LabelledTable, formulas: AbstractSet[str]) -> LabelledTable:
    """The table without the rows of some reduced formulas."""
    return replace(table, rows=[row for row in table.rows if row.crystal.formula_key not in formulas])


def trained_member(recipe: Recipe, stage: Stage, table: LabelledTable, seed: int, folder: Path) -> KappaModel:
    """A model of one member, trained in one stage; read from `folder` if it is there already.

    Args:
        recipe: Gives the host, heads and composition, or the model to start from.
        stage: The stage.
        table: All rows the stage may see; its inner validation part is cut from them.
        seed: Of the member.
        folder: Of the model.
    """
    own = {"name": folder.name, "description": "", "seeds": (seed,), "default_fidelity": None, "stages": (stage,)}
    alone = recipe.model_copy(update=own)
    return train(alone, lambda _: [table], folder, resume=True)
