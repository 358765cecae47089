"""Building the networks that a recipe trains: new members, and the head of each rung."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import TypeVar

import torch

from kappatune.model.heads import BASE_FIDELITY, Composition, KappaNetwork, TargetScaler
from kappatune.model.hosts import HostCard, load_host, new_host
from kappatune.training.recipe import TEACHERS, BadRun, Recipe, Stage
from kappatune.training.rows import PreparedStage
from kappatune.training.stage import all_features, frozen_prefixes

Rung = TypeVar("Rung", bound=str)


def new_network(recipe: Recipe, card: HostCard, scaler: TargetScaler, seed: int) -> KappaNetwork:
    """A member of a recipe that names a host; it has no head yet.

    Args:
        recipe: Names the host, and says whether its pretrained weights are used.
        card: Of the host.
        scaler: Scale of the targets.
        seed: Of the random weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        host = load_host(recipe.host or ())
        if not recipe.pretrained:
            buffers = dict(host.named_buffers())
            host = new_host(card)
            for name, values in host.named_buffers():
                values.copy_(buffers[name])
    return KappaNetwork(host, level=recipe.embedding, widths=recipe.head, composition=recipe.composition, scaler=scaler)


def continued_rung(rungs: Iterable[Rung], fidelity: str, composition: Composition, default: Rung | None) -> Rung | None:
    """The rung whose head a new one starts from: the last of its kind; None if there is none.

    Of a model that training starts from: the rung itself if it is trained once more, else the one predicted by default.

    Args:
        rungs: Those that are trained already, in the order of training.
        fidelity: The new rung.
        composition: Of the model; the `agl` head of a `debye` model is of another kind than its corrections.
        default: Default rung of the model that training starts from; None once a stage has been trained.
    """
    is_base = fidelity == BASE_FIDELITY
    same_kind = [rung for rung in rungs if composition == "direct" or (rung == BASE_FIDELITY) == is_base]
    preferred = [rung for rung in (fidelity, default) if default and rung in same_kind]
    return next(iter(preferred + same_kind[-1:]), None)


def no_rung_to_correct(stage: Stage) -> BadRun:
    """Why a stage that fits a correction cannot run."""
    return BadRun(f"stage '{stage.name}': {TEACHERS[stage.learner]} corrections, and this model has no rung to correct")


def attach_head(network: KappaNetwork, prepared: PreparedStage, seed: int, default: str | None = None) -> None:
    """Give a network the head that a stage trains, and drop the heads that the stage makes invalid.

    The head starts as a copy of the one that it continues (`continued_rung`), or else with random weights. When a stage
    trains the host, or the `agl` head of a `debye` network, every other head no longer fits and is dropped.

    Args:
        network: Gets the head.
        prepared: The stage.
        seed: Of random weights.
        default: As in `continued_rung`.

    Raises:
        BadRun: The stage corrects a rung that the network does not have.
    """
    stage, fidelity, heads = prepared.stage, prepared.fidelity, network.heads
    is_correction = network.composition == "debye" and fidelity != BASE_FIDELITY
    if is_correction and BASE_FIDELITY not in heads:
        raise BadRun(f"stage '{stage.name}' corrects the '{BASE_FIDELITY}' rung, which this model does not have")
    if stage.learner != "gradient" and not is_correction:
        raise no_rung_to_correct(stage)
    continued = continued_rung(heads, fidelity, network.composition, default)
    if continued:
        head = copy.deepcopy(heads[continued])
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            head = network.new_head(fidelity)
        head.standardise(network.head_inputs(all_features(network, prepared.data.graphs), fidelity).detach())
    trains_base = network.composition == "debye" and fidelity == BASE_FIDELITY
    if trains_base or "host" not in frozen_prefixes(network, stage, fidelity):
        heads.clear()
    elif fidelity in heads:
        del heads[fidelity]
    heads[fidelity] = head
