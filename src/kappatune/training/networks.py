"""Building the networks that a recipe trains: new members, and the head of each rung."""

from __future__ import annotations

import copy

import torch

from kappatune.model.heads import BASE_FIDELITY, KappaNetwork, TargetScaler
from kappatune.model.hosts import HostCard, load_host, new_host
from kappatune.training.recipe import TEACHERS, BadRun, Recipe
from kappatune.training.rows import PreparedStage
from kappatune.training.stage import all_features, frozen_prefixes


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


def attach_head(network: KappaNetwork, prepared: PreparedStage, seed: int) -> None:
    """Give a network the head that a stage trains, and drop the heads that the stage makes invalid.

    The head starts as a copy of the last head of the same kind, or else with random weights. When a stage trains
    the host, or the `agl` head of a `debye` network, every other head no longer fits and is dropped.

    Raises:
        BadRun: The stage corrects a rung that the network does not have.
    """
    stage, fidelity, heads = prepared.stage, prepared.fidelity, network.heads
    is_correction = network.composition == "debye" and fidelity != BASE_FIDELITY
    if is_correction and BASE_FIDELITY not in heads:
        raise BadRun(f"stage '{stage.name}' corrects the '{BASE_FIDELITY}' rung, which this model does not have")
    if stage.learner != "gradient" and not is_correction:
        raise BadRun(
            f"stage '{stage.name}': {TEACHERS[stage.learner]} corrections, and this model has no rung to correct"
        )
    same_kind = [name for name in heads if network.composition == "direct" or (name != BASE_FIDELITY) == is_correction]
    if same_kind:
        head = copy.deepcopy(heads[same_kind[-1]])
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
