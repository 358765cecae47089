"""The card of a trained model, and the domains of its rungs."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from kappatune.model.card import ModelCard
from kappatune.model.domain import Domain
from kappatune.model.heads import BASE_FIDELITY, KappaNetwork, TargetScaler
from kappatune.model.hosts import HostCard
from kappatune.model.intervals import IntervalCalibration
from kappatune.model.kappa_model import KappaModel
from kappatune.structures.table import Fidelity
from kappatune.training.recipe import Recipe
from kappatune.training.rows import PreparedStage
from kappatune.training.stage import all_features

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
    """The card of a model.

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
        fidelities=list(members[0].heads),  # type: ignore[arg-type]
        scaler=scaler,
        calibration=_kept_calibration(before, stages, members),
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


def _kept_calibration(
    before: ModelCard | None, stages: Sequence[PreparedStage], members: Sequence[KappaNetwork]
) -> dict[Fidelity, IntervalCalibration]:
    """Interval calibration of the rungs that training left as they were; new rungs have none."""
    if before is None or any(prepared.stage.pretrain for prepared in stages):
        return {}
    unchanged = set(members[0].heads) - {prepared.fidelity for prepared in stages}
    return {rung: calibration for rung, calibration in before.calibration.items() if rung in unchanged}


def domains_of_trained(
    model: KappaModel, stages: Sequence[PreparedStage], start: KappaModel | None
) -> dict[str, Domain]:
    """Where each rung has labels; a rung that continues another rung of `start` keeps the domain of that one too."""
    before = start.domains if start else {}
    domains: dict[str, Domain] = {rung: domain for rung, domain in before.items() if rung in model.card.fidelities}
    inherited = domains.get(start.default_fidelity) if start else None
    network = model.members[0]
    for prepared in stages:
        if prepared.stage.pretrain or prepared.fidelity not in model.card.fidelities:
            continue
        features = all_features(network, prepared.data.graphs)[:, : network.embedding_size]
        domain = Domain.of(features.numpy() / model.embedding_scale, prepared.data.formulas)
        if inherited is not None and prepared.fidelity != BASE_FIDELITY:
            domain = domain.joined(inherited)
        domains[prepared.fidelity] = domain
    return domains
