"""What each member of an ensemble predicts for many crystals, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from kappatune.model.graphs import CrystalGraphs, GraphBatch
from kappatune.model.heads import KappaNetwork, TargetScaler, debye_temperature, descriptors
from kappatune.physics.slack import GRUNEISEN_RANGE

_EDGES_PER_BATCH = 4_000


class MemberOutputs(NamedTuple):
    """What each member predicts, (n_members, n_crystals) each.

    Attributes:
        ln_kappa: ln of kappa in W/(m K).
        debye_temperature_k: Debye temperature of the primitive cell, K; NaN if unknown.
        gruneisen: Grüneisen parameter; NaN if unknown.
        spread_ln: Standard deviation of ln kappa that each member's correction estimates; 0 without a correction.
        embedding: (n_crystals, d) embedding by the first member's host.
    """

    ln_kappa: NDArray[np.float64]
    debye_temperature_k: NDArray[np.float64]
    gruneisen: NDArray[np.float64]
    spread_ln: NDArray[np.float64]
    embedding: NDArray[np.float32]


def member_outputs(
    members: Sequence[KappaNetwork], scaler: TargetScaler, graphs: CrystalGraphs, fidelity: str, device: torch.device
) -> MemberOutputs:
    """What every member predicts for every crystal, of which there is at least one.

    Args:
        members: The networks, on `device`; members that share a host object embed with it once.
        scaler: The scale of their targets.
        graphs: The crystals.
        fidelity: The rung.
        device: Where the networks are.
    """
    parts = [_batch_outputs(members, scaler, graphs.batch(chosen).to(device), fidelity) for chosen in _batches(graphs)]
    ln_kappa, theta, gruneisen, spread, embedding = zip(*parts, strict=True)
    by_member = [np.concatenate(columns, axis=1) for columns in (ln_kappa, theta, gruneisen, spread)]
    return MemberOutputs(by_member[0], by_member[1], by_member[2], by_member[3], np.concatenate(embedding))


def _batch_outputs(
    members: Sequence[KappaNetwork], scaler: TargetScaler, batch: GraphBatch, fidelity: str
) -> MemberOutputs:
    features: dict[int, torch.Tensor] = {}
    rows = []
    with torch.inference_mode():
        of_crystal = descriptors(batch)
        for member in members:
            key = id(member.host)
            if key not in features:
                features[key] = member.features(batch)
            outputs = member(features[key], fidelity)
            ln_kappa = scaler.ln_kappa(outputs.scaled)
            theta = gruneisen = torch.full_like(ln_kappa, torch.nan)
            if outputs.properties is not None:
                theta = debye_temperature(outputs.properties, of_crystal)
                gruneisen = outputs.properties[:, 1].clamp(*GRUNEISEN_RANGE)
            spread = torch.zeros_like(ln_kappa) if outputs.spread is None else scaler.std * outputs.spread
            rows.append(torch.stack([ln_kappa, theta, gruneisen, spread]))
    first = features[id(members[0].host)][:, : members[0].embedding_size]
    ln_kappa, theta, gruneisen, spread = torch.stack(rows, dim=1).double().cpu().numpy()
    return MemberOutputs(ln_kappa, theta, gruneisen, spread, first.cpu().numpy())


def _batches(graphs: CrystalGraphs) -> Iterator[NDArray[np.int64]]:
    """Consecutive crystals with about `_EDGES_PER_BATCH` edges together."""
    bins = graphs.edge_offsets[:-1] // _EDGES_PER_BATCH
    opens = np.flatnonzero(np.r_[True, bins[1:] != bins[:-1]]) if len(bins) else np.empty(0, dtype=np.int64)
    for start, stop in zip(opens, [*opens[1:], len(bins)], strict=True):
        yield np.arange(start, stop)
