"""Bundles and host files of earlier versions, brought to the present format one version at a time.

A change of a format raises its version by one and adds one step here, from the version before. A step writes out the
values that older files had implicitly: rules that decide the numbers of a model (how atoms are counted, where bonds
end) stay with the model they were trained with, whatever the defaults of new models become. A step that cannot keep
the numbers raises `CannotUpgrade` with the reason.

Bundles hold a copy of the card of their host: a change of host cards raises both versions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

Record = dict[str, Any]
Tensors = dict[str, Tensor]


class CannotUpgrade(ValueError):
    """A file of another version cannot be used; the message says why and what to do."""


def _same_tensors(tensors: Tensors) -> Tensors:
    return tensors


@dataclass(frozen=True)
class Upgrade:
    """One step from a version to the next.

    Attributes:
        card: The card of the next version, from that of this one; `schema_version` is set by the caller.
        tensors: The tensors by their names of the next version, from those of this one.
    """

    card: Callable[[Record], Record]
    tensors: Callable[[Tensors], Tensors] = _same_tensors


def _write_out_graph_rules(card: Record) -> Record:
    """Version 1 (kappatune 0.1.0) had these rules in its code."""
    rules = {
        "primitive_cell_tolerance_angstrom": 0.01,
        "bond_length_tolerance_angstrom": 1e-4,
        "bond_envelope": "none",
    }
    return {**card, "rules": rules}


def _name_default_rung(card: Record) -> Record:
    """Version 2 (kappatune 0.2.0) predicted the last rung by default, and measured no domain share in training."""
    return {**card, "domain_share": {}, "default_fidelity": card["fidelities"][-1]}


BUNDLE_UPGRADES: dict[int, Upgrade] = {1: Upgrade(_write_out_graph_rules), 2: Upgrade(_name_default_rung)}
"""Steps of `card.json` and `weights.safetensors`, by the version they start from."""

HOST_UPGRADES: dict[int, Upgrade] = {}
"""Steps of host files, by the version they start from."""


def upgrades_of(card: Record, upgrades: Mapping[int, Upgrade]) -> list[Upgrade]:
    """The steps from a card's version to the present one, in order.

    Args:
        card: The card as stored.
        upgrades: One step for every version but the present one.

    Raises:
        CannotUpgrade: The version is newer than this kappatune, or none that ever was.
    """
    version, current = card.get("schema_version"), len(upgrades) + 1
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise CannotUpgrade(f"there is no schema version {version!r}: the file is damaged, or not made by kappatune")
    if version > current:
        raise CannotUpgrade(
            f"schema version {version} is newer than {current}, the newest this kappatune reads: upgrade kappatune"
        )
    return [upgrades[k] for k in range(version, current)]


def upgraded_card(card: Record, steps: list[Upgrade]) -> Record:
    """The card of the present version.

    Args:
        card: The card as stored.
        steps: Those of `upgrades_of`.

    Raises:
        CannotUpgrade: A step has no way to keep the model's predictions, or the card lacks what the step needs.
    """
    for step in steps:
        version = card["schema_version"]
        try:
            card = {**step.card(card), "schema_version": version + 1}
        except (KeyError, TypeError) as error:
            raise CannotUpgrade(f"not a complete card of schema version {version} ({error!r}): get it again") from error
    return card
