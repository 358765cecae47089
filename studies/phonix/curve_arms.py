"""The arms of the learning curves: what each knows of a crystal before the labels come, and what learns the labels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor

from kappatune.storage import atomic_path
from kappatune.structures import Crystal, read_table
from kappatune.structures.table import LabelledCrystal
from kappatune.training.rows import rows_sha256
from studies.phonix.cheap_stages import after_stages
from studies.phonix.curve_learners import ArmInputs, Learner, fit_network, fit_process, fit_trees
from studies.phonix.curve_models import (
    N_DESCRIPTORS,
    N_OF_RUNG,
    PAPER_HOST,
    SEED,
    after_stage,
    before_any_stage,
    bond_geometry,
    correction_inputs,
    embedding,
    ln_kappa_of_one_stiffness,
    ln_kappa_of_rung,
    physics_recipe,
    plain_recipe,
)
from studies.research_data import AFLOW


@dataclass(frozen=True)
class Source:
    """Where inputs come from.

    Attributes:
        rows: Phonix.
        data: Folder of the research tables.
        work: Folder of models and inputs.
        is_tested: Whether a reduced formula is tested; no stage sees one that is.
    """

    rows: list[LabelledCrystal]
    data: Path
    work: Path
    is_tested: Callable[[str], bool]

    @property
    def inputs_folder(self) -> Path:
        """Folder of the inputs: another one if other rows are in the table, or others are tested."""
        tested = sorted({row.crystal.formula_key for row in self.rows if self.is_tested(row.crystal.formula_key)})
        key = hashlib.sha256("\n".join([rows_sha256(self.rows), *tested]).encode()).hexdigest()
        return self.work / key[:12]


@dataclass(frozen=True)
class Arm:
    """A way to learn from N labels.

    Attributes:
        title: What it is called on the page.
        inputs: Makes its inputs.
        learner: Fits them.
    """

    title: str
    inputs: Callable[[Source], ArmInputs]
    learner: Learner


def _stored(source: Source, name: str, make: Callable[[], dict[str, NDArray[np.float64]]]) -> dict[str, Tensor]:
    """Arrays from the work folder, made if they are not there."""
    path = source.inputs_folder / f"{name}.npz"
    if not path.is_file():
        made = make()
        with atomic_path(path) as partial, partial.open("wb") as file:
            np.savez(file, **made)  # type: ignore[arg-type]
    stored = np.load(path)
    return {key: torch.from_numpy(stored[key]).double() for key in stored.files}


def _crystals(source: Source) -> list[Crystal]:
    return [row.crystal for row in source.rows]


def _groups(*widths: int) -> tuple[range, ...]:
    ends = np.cumsum([0, *widths]).tolist()
    return tuple(range(a, b) for a, b in pairwise(ends))


def _network(*stages: str, pretrained: bool = True, seed: int = SEED) -> Callable[[Source], ArmInputs]:
    """Inputs of a network: the embedding of a host after some stages, and kappa of the last one as the base."""
    name = "-".join([*["formation-energies"] * pretrained, *stages, *[f"seed-{seed}"] * (seed != SEED)]) or "nothing"

    def make(source: Source) -> dict[str, NDArray[np.float64]]:
        host = source.data / PAPER_HOST
        if not stages:
            values = embedding(before_any_stage(plain_recipe(host, pretrained=pretrained)), _crystals(source))
            return {"values": values.numpy(), "base": np.zeros(len(values))}
        model = after_stages(
            host, stages, source.data, source.is_tested, source.work / name, pretrained=pretrained, seed=seed
        )
        network = model.members[0]
        features = embedding(network, _crystals(source))
        values = features[:, : network.embedding_size]
        return {"values": values.numpy(), "base": ln_kappa_of_rung(network, features).numpy()}

    def inputs(source: Source) -> ArmInputs:
        stored = _stored(source, name, lambda: make(source))
        return ArmInputs(stored["values"], _groups(stored["values"].shape[1]), stored["base"])

    return inputs


def _embedding_of(arm: Callable[[Source], ArmInputs]) -> Callable[[Source], ArmInputs]:
    """The same inputs without a base."""

    def inputs(source: Source) -> ArmInputs:
        found = arm(source)
        return replace(found, base=torch.zeros_like(found.base))

    return inputs


def _one_stiffness(source: Source) -> ArmInputs:
    """The embedding of the host before any stage, and the Slack formula with one stiffness for all as the base."""
    return replace(_network()(source), base=ln_kappa_of_one_stiffness(_crystals(source)))


def _physics(source: Source) -> dict[str, Tensor]:
    """Element statistics, descriptors, bond geometry, what the AGL rung predicts, and its ln kappa as the base."""

    def make() -> dict[str, NDArray[np.float64]]:
        crystals = _crystals(source)
        folder = source.work / "physics"
        model = after_stage(physics_recipe(), lambda: read_table(source.data / AFLOW), source.is_tested, folder)
        network = model.members[0]
        features = embedding(network, crystals)
        inputs = correction_inputs(network, features)
        return {
            "elements": inputs[:, : -N_DESCRIPTORS - N_OF_RUNG].numpy(),
            "descriptors": inputs[:, -N_DESCRIPTORS - N_OF_RUNG : -N_OF_RUNG].numpy(),
            "bonds": bond_geometry(crystals).numpy(),
            "rung": inputs[:, -N_OF_RUNG:].numpy(),
            "base": ln_kappa_of_rung(network, features).numpy(),
        }

    return _stored(source, "physics", make)


def _tabular(parts: Sequence[str]) -> Callable[[Source], ArmInputs]:
    """Inputs by their names in `_physics`; with those of the rung, the target is what that rung lacks."""

    def inputs(source: Source) -> ArmInputs:
        stored = _physics(source)
        base = stored["base"] if "rung" in parts else torch.zeros_like(stored["base"])
        values = [stored[part] for part in parts]
        return ArmInputs(torch.cat(values, dim=1), _groups(*(part.shape[1] for part in values)), base)

    return inputs


_PLAIN = ("elements", "descriptors", "bonds")
_WITH_RUNG = (*_PLAIN, "rung")

CHIEF_ARMS: dict[str, Arm] = {
    "trees": Arm("trees", _tabular(_PLAIN), fit_trees),
    "trees-agl": Arm("trees with the AGL rung", _tabular(_WITH_RUNG), fit_trees),
    "physics": Arm("physics head on the AGL rung", _tabular(("elements", "descriptors", "rung")), fit_network),
    "nothing": Arm("network, nothing pretrained", _network(pretrained=False), fit_network),
    "formation-energies": Arm("network, formation energies", _network(), fit_network),
    "process": Arm("Gaussian process", _tabular(_PLAIN), fit_process),
    "process-agl": Arm("Gaussian process with the AGL rung", _tabular(_WITH_RUNG), fit_process),
    "agl": Arm("network, AGL", _network("agl", pretrained=False), fit_network),
    "formation-energies-agl": Arm("network, formation energies, then AGL", _network("agl"), fit_network),
}
"""Those of the question, in the order in which they are computed for each number of labels."""

_AFTER = "network, formation energies, then"

STAGE_ARMS: dict[str, Arm] = {
    "minimum-kappa": Arm(f"{_AFTER} minimum κ", _network("minimum-kappa"), fit_network),
    "moduli": Arm(f"{_AFTER} moduli", _embedding_of(_network("moduli")), fit_network),
    "slack": Arm(f"{_AFTER} Slack's κ with one stiffness for all", _one_stiffness, fit_network),
    "moduli-slack": Arm(f"{_AFTER} moduli and Slack's κ from them", _network("moduli"), fit_network),
    "semi-empirical": Arm(f"{_AFTER} semi-empirical κ", _network("semi-empirical"), fit_network),
    "prototypes": Arm(f"{_AFTER} AGL of our prototypes", _network("prototypes"), fit_network),
    "minimum-kappa-agl": Arm(f"{_AFTER} minimum κ, then AGL", _network("minimum-kappa", "agl"), fit_network),
    "moduli-agl": Arm(f"{_AFTER} moduli, then AGL", _network("moduli", "agl"), fit_network),
    "agl-slack": Arm(f"{_AFTER} AGL's properties and Slack's κ from them", _network("agl-properties"), fit_network),
    "moduli-agl-slack": Arm(
        f"{_AFTER} moduli, then AGL's properties and Slack's κ from them",
        _network("moduli", "agl-properties"),
        fit_network,
    ),
    "agl-again": Arm(f"{_AFTER} AGL with another seed", _network("agl", seed=SEED + 1), fit_network),
}
"""Networks with other stages than AGL between formation energies and the labels, or with stages before AGL.

`slack` is no stage: it is what the Slack formula knows without one.
"""

ARMS: dict[str, Arm] = CHIEF_ARMS | STAGE_ARMS
"""All, by name."""

ArmOption = Annotated[list[str] | None, typer.Option("--arm", help="Arms, by default all of the study.")]
"""Option of a command that computes arms."""


def arms(asked: Sequence[str] | None, default: Iterable[str] = ARMS) -> list[str]:
    """The arms that are asked for, or those of a study.

    Raises:
        typer.BadParameter: There is no such arm.
    """
    unknown = [name for name in asked or () if name not in ARMS]
    if unknown:
        raise typer.BadParameter(f"no arm is called {unknown[0]}; there are {', '.join(ARMS)}")
    return list(asked or default)
