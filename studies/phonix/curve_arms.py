"""The arms of the learning curves: what each knows of a crystal before the labels come, and what learns the labels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor

from kappatune.storage import atomic_path
from kappatune.structures import Crystal
from kappatune.structures.table import LabelledCrystal
from kappatune.training.rows import rows_sha256
from studies.phonix.curve_learners import ArmInputs, Learner, fit_network, fit_process, fit_trees
from studies.phonix.curve_models import (
    N_DESCRIPTORS,
    N_OF_RUNG,
    PAPER_HOST,
    after_agl,
    before_agl,
    bond_geometry,
    correction_inputs,
    embedding,
    ln_kappa_of_rung,
    physics_recipe,
    plain_recipe,
)


@dataclass(frozen=True)
class Source:
    """Where inputs come from.

    Attributes:
        rows: Phonix.
        data: Folder of the research tables.
        work: Folder of models and inputs.
        is_tested: Whether a reduced formula is tested; no AGL stage sees one that is.
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


def _embedded(*, pretrained: bool, agl: bool) -> Callable[[Source], ArmInputs]:
    """Inputs of a network: the embedding of a host, and with an AGL stage also kappa of that rung as the base."""
    name = "-".join(["formation-energies"] * pretrained + ["agl"] * agl) or "nothing"

    def make(source: Source) -> dict[str, NDArray[np.float64]]:
        recipe = plain_recipe(source.data / PAPER_HOST, pretrained=pretrained)
        if not agl:
            values = embedding(before_agl(recipe), _crystals(source))
            return {"values": values.numpy(), "base": np.zeros(len(values))}
        network = after_agl(recipe, source.data, source.is_tested, source.work / name).members[0]
        values = embedding(network, _crystals(source))
        return {"values": values.numpy(), "base": ln_kappa_of_rung(network, values).numpy()}

    def inputs(source: Source) -> ArmInputs:
        stored = _stored(source, name, lambda: make(source))
        return ArmInputs(stored["values"], _groups(stored["values"].shape[1]), stored["base"])

    return inputs


def _physics(source: Source) -> dict[str, Tensor]:
    """Element statistics, descriptors, bond geometry, what the AGL rung predicts, and its ln kappa as the base."""

    def make() -> dict[str, NDArray[np.float64]]:
        crystals = _crystals(source)
        network = after_agl(physics_recipe(), source.data, source.is_tested, source.work / "physics").members[0]
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

ARMS: dict[str, Arm] = {
    "trees": Arm("trees", _tabular(_PLAIN), fit_trees),
    "trees-agl": Arm("trees with the AGL rung", _tabular(_WITH_RUNG), fit_trees),
    "physics": Arm("physics head on the AGL rung", _tabular(("elements", "descriptors", "rung")), fit_network),
    "nothing": Arm("network, nothing pretrained", _embedded(pretrained=False, agl=False), fit_network),
    "formation-energies": Arm("network, formation energies", _embedded(pretrained=True, agl=False), fit_network),
    "process": Arm("Gaussian process", _tabular(_PLAIN), fit_process),
    "process-agl": Arm("Gaussian process with the AGL rung", _tabular(_WITH_RUNG), fit_process),
    "agl": Arm("network, AGL", _embedded(pretrained=False, agl=True), fit_network),
    "formation-energies-agl": Arm(
        "network, formation energies, then AGL", _embedded(pretrained=True, agl=True), fit_network
    ),
}
"""In the order in which they are computed for each number of labels, those that need least time first."""

ArmOption = Annotated[list[str] | None, typer.Option("--arm", help="Arms, all by default.")]
"""Option of a command that computes arms."""


def arms(asked: Sequence[str] | None) -> list[str]:
    """The arms that are asked for, all by default.

    Raises:
        typer.BadParameter: There is no such arm.
    """
    unknown = [name for name in asked or () if name not in ARMS]
    if unknown:
        raise typer.BadParameter(f"no arm is called {unknown[0]}; there are {', '.join(ARMS)}")
    return list(asked or ARMS)
