"""Convert the original Keras weights of MEGNet (BSD-3-Clause) from hdf5 to kappatune host files; done once.

The hdf5 files come with the source distribution of the `megnet` package:

    pip download --no-deps --no-build-isolation --no-binary megnet megnet==1.3.2
    tar xzf megnet-1.3.2.tar.gz
    python scripts/convert_megnet.py megnet-1.3.2/mvl_models src/kappatune/assets/hosts

Keras stores a dense kernel as (in, out) and concatenates the inputs of an update in another order than
`kappatune.model.hosts.megnet`, so kernels are transposed and their blocks of 32 columns reordered.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import h5py
import numpy as np
import torch
import typer

from kappatune.model.hosts.megnet import MEGNet, MEGNetSettings
from kappatune.model.hosts.weights import load_strictly, save_host
from kappatune.storage import file_sha256

MODELS = {
    "megnet-mp-2019.4.1-formation-energy": ("mp-2019.4.1/formation_energy", "formation energy", "eV/atom"),
    "megnet-mp-2018.6.1-log10K": ("mp-2018.6.1/log10K", "log10 bulk modulus", "log10(GPa)"),
    "megnet-mp-2018.6.1-log10G": ("mp-2018.6.1/log10G", "log10 shear modulus", "log10(GPa)"),
}
KERAS_INITIAL_BOUND = 0.05
"""Keras initialises embeddings in [-0.05, 0.05]; a row that is still inside belongs to an element never trained on."""

DENSE = {  # number of the Keras layer -> name of our layer
    1: "encode_node.0",
    2: "encode_node.1",
    3: "encode_edge.0",
    4: "encode_edge.1",
    5: "encode_state.0",
    6: "encode_state.1",
    19: "readout.0",
    20: "readout.1",
    21: "last",
    **{
        7 + 6 * (block - 1) + 2 * part + layer: f"blocks.{block}.dense_{kind}.{layer}"
        for block in (1, 2)
        for part, kind in enumerate(("node", "edge", "state"))
        for layer in (0, 1)
    },
}
UPDATES = {  # Keras function -> name of our layer, and the position of each of our blocks in the input of Keras
    "e": ("update_edge", (1, 0, 2, 3)),  # Keras [target, source, edge, state]; ours [source, target, ...]
    "v": ("update_node", (1, 0, 2)),  # Keras [edges, node, state]; ours [node, edges, state]
    "u": ("update_state", (2, 0, 1)),  # Keras [edges, nodes, state]; ours [state, edges, nodes]
}


def convert(hdf5: Path, name: str, quantity: str, unit: str) -> tuple[MEGNet, str]:
    """Read one hdf5 file, and the .json file beside it, into our network.

    Args:
        hdf5: The weights.
        name: Name of the host, for error messages.
        quantity: What the network was trained on.
        unit: Its unit.

    Returns:
        The network, and the hash of the hdf5 file.
    """
    arrays = {}
    with h5py.File(hdf5) as file:
        file["model_weights"].visititems(
            lambda key, item: (
                arrays.update({key.split("/", 1)[1]: item[()]}) if isinstance(item, h5py.Dataset) else None
            )
        )
        layers = json.loads(file.attrs["model_config"])["config"]["layers"]
    converter = json.loads(Path(f"{hdf5}.json").read_text())["graph_converter"]
    centres = np.array(converter["bond_converter"]["centers"]["data"])
    assert np.allclose(centres, np.linspace(0, centres[-1], len(centres)))

    table = arrays.pop("embedding_1/embeddings:0")
    elements = [z for z in range(1, len(table)) if np.abs(table[z]).max() > KERAS_INITIAL_BOUND]
    settings = MEGNetSettings(
        cutoff_angstrom=converter["cutoff"],
        n_gaussians=len(centres),
        gaussian_stop_angstrom=centres[-1],
        gaussian_exponent=converter["bond_converter"]["width"] ** -2,
        elements=tuple(elements),
        set2set="keras",
        set2set_steps=next(layer["config"]["T"] for layer in layers if layer["class_name"] == "Set2Set"),
        activate_last=False,
        property=quantity,
        unit=unit,
    )
    tensors = {"element.weight": table[elements]}
    for key, value in arrays.items():
        path = key.split("/")
        if path[0].startswith("dense_"):
            ours = DENSE[int(path[0].removeprefix("dense_"))]
            tensors[f"{ours}.{'bias' if 'bias' in path[-1] else 'weight'}"] = value.T
        elif path[0].startswith("meg_net_layer_"):
            block = int(path[0].rsplit("_", 1)[1]) - 1
            kind, function, layer = path[-1].removesuffix(":0").split("_")
            ours, order = UPDATES[function]
            if kind == "weight" and layer == "0":
                value = np.concatenate([np.split(value, len(order))[part] for part in order])
            tensors[f"blocks.{block}.{ours}.{layer}.{kind}"] = value.T
        else:
            pool = {"set2_set_1": "pool_nodes", "set2_set_2": "pool_edges"}[path[0]]
            layer = "gates" if "recurrent" in path[-1] else "project"
            tensors[f"{pool}.{layer}.{'bias' if 'bias' in path[-1] else 'weight'}"] = value.T
    network = MEGNet(settings)
    load_strictly(network, {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in tensors.items()}, name)
    return network, file_sha256(hdf5)


def main(
    models: Annotated[Path, typer.Argument(help="The folder `mvl_models` of the megnet package.")],
    out: Annotated[Path, typer.Argument(help="Folder of the host files.")],
) -> None:
    """Convert the hosts that ship with the package."""
    for name, (stem, quantity, unit) in MODELS.items():
        network, digest = convert(models / f"{stem}.hdf5", name, quantity, unit)
        source = f"megnet 1.3.2 (Materials Virtual Lab), mvl_models/{stem}.hdf5, sha256 {digest}"
        save_host(network, out / f"{name}.safetensors", name=name, source=source, licence="BSD-3-Clause")
        typer.echo(f"{name}: {len(network.supported_elements)} elements")
    licence = models.parent / "LICENSE.md"
    (out / "LICENSE-megnet.md").write_text(licence.read_text())


if __name__ == "__main__":
    typer.run(main)
