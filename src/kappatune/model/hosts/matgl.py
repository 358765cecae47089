"""The MEGNet formation-energy weights that matgl published (MEGNet-MP-2018.6.1-Eform), by their names there."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from kappatune.model.hosts.megnet import MEGNetSettings

SETTINGS = MEGNetSettings(
    cutoff_angstrom=4.0,
    gaussian_exponent=0.5,
    # H to Pu without Po, At, Rn, Fr, Ra, in the order of the published element table.
    elements=(*range(1, 84), *range(89, 95)),
    set2set="lstm",
    activate_last=True,
    property="formation energy",
    unit="eV/atom",
    property_mean=-1.65459073,
    property_std=1.07266128,
)

_PARTS = {
    "embedding.layer_node_embedding": "element",
    "edge_encoder.layers": "encode_edge",
    "node_encoder.layers": "encode_node",
    "state_encoder.layers": "encode_state",
    "edge_s2s.lstm": "pool_edges.lstm",
    "node_s2s.lstm": "pool_nodes.lstm",
}
_UPDATES = {
    "conv.edge_func": "update_edge",
    "conv.node_func": "update_node",
    "conv.state_func": "update_state",
    "edge_func": "dense_edge",
    "node_func": "dense_node",
    "state_func": "dense_state",
}
_MARK = "model.embedding.layer_node_embedding.weight"
_CENTRES = "model.bond_expansion.rbf.centers"


def recognises(tensors: Mapping[str, Tensor]) -> bool:
    """Whether the tensors carry matgl's MEGNet names."""
    return _MARK in tensors


def convert(tensors: Mapping[str, Tensor]) -> tuple[MEGNetSettings, dict[str, Tensor]]:
    """Matgl's tensors under our names; what has no counterpart keeps its name, for the strict loading to refuse."""
    renamed = {_rename(name): tensor for name, tensor in tensors.items() if name != _CENTRES}
    return SETTINGS, renamed


def _rename(name: str) -> str:
    path, _, kind = name.removeprefix("model.").rpartition(".")
    if path in _PARTS:
        return f"{_PARTS[path]}.{kind.removesuffix('_l0')}"
    stem, _, layer = path.rpartition(".")
    if not layer.isdigit():
        return name
    index = int(layer) // 2  # matgl counts the activations between the layers
    if stem in _PARTS:
        return f"{_PARTS[stem]}.{index}.{kind}"
    if stem == "output_proj.layers":
        return f"last.{kind}" if index == 2 else f"readout.{index}.{kind}"
    parts = stem.split(".", 2)
    if parts[0] == "blocks" and len(parts) == 3 and parts[2].removesuffix(".layers") in _UPDATES:
        return f"blocks.{parts[1]}.{_UPDATES[parts[2].removesuffix('.layers')]}.{index}.{kind}"
    return name
