"""The card of a trained model."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from kappatune.model.card import ModelCard
from kappatune.model.heads import KappaNetwork, TargetScaler
from kappatune.model.hosts import HostCard
from kappatune.model.kappa_model import KappaModel
from kappatune.training.recipe import Recipe
from kappatune.training.rows import PreparedStage

UNITS = {"kappa_w_mk": "W/(m K) at 300 K", "lower_w_mk": "W/(m K)", "upper_w_mk": "W/(m K)"}
_LIBRARIES = ("kappatune", "torch", "lightning", "numpy", "pymatgen", "ase")


def card_of_trained(
    recipe: Recipe,
    host: HostCard,
    start: KappaModel | None,
    stages: Sequence[PreparedStage],
    scaler: TargetScaler,
    metrics: dict[str, list[dict[str, Any]]],
    members: Sequence[KappaNetwork],
) -> ModelCard:
    """The card of a model, without calibrations of its intervals.

    Args:
        recipe: What it was made by.
        host: Card of its host.
        start: Model that the training started from; what that one was trained on is added.
        stages: What it was trained on.
        scaler: Scale of its targets.
        metrics: Result of each stage by its name, one per member.
        members: Its networks.
    """
    before = start.card if start else None
    elements = {k: set(v) for k, v in before.elements.items()} if before else {}
    formulas = {k: set(v) for k, v in before.formulas.items()} if before else {}
    rungs = list(members[0].heads)
    for prepared in stages:
        rung = "pretraining" if prepared.stage.pretrain else prepared.fidelity
        formulas.setdefault(rung, set()).update(prepared.data.formulas)
        if not prepared.stage.pretrain:
            elements.setdefault(rung, set()).update(prepared.elements)
    return ModelCard(
        name=recipe.name,
        created=datetime.now(UTC).date().isoformat(),
        description=recipe.description,
        recipe=recipe.model_dump(mode="json"),
        rules=before.rules if before else recipe.rules,
        host=host,
        embedding=members[0].level,
        head=members[0].widths,
        composition=members[0].composition,
        fidelities=rungs,  # type: ignore[arg-type]
        default_fidelity=recipe.default_fidelity or rungs[-1],  # type: ignore[arg-type]
        scaler=scaler,
        units=UNITS,
        elements={k: sorted(v) for k, v in elements.items()},
        formulas={k: sorted(v) for k, v in formulas.items()},
        data=(before.data if before else []) + [card for prepared in stages for card in prepared.cards],
        members=list(range(len(members))),
        metrics=metrics,
        versions={"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
        licence="MIT" if host.licence == "MIT" else f"MIT; weights of the host: {host.licence}",
        weights_sha256="",
    )
