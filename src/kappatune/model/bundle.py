"""Model bundles: a folder with `weights.safetensors` and `card.json`. No pickle is ever read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from kappatune.errors import UserError
from kappatune.model.domain import Domain
from kappatune.model.heads import BASE_FIDELITY, PROPERTIES, Composition, KappaNetwork, TargetScaler
from kappatune.model.hosts import BadWeights, HostCard, load_strictly, new_host
from kappatune.storage import file_sha256
from kappatune.structures.table import Fidelity
from kappatune.training.recipe import Recipe

SCHEMA_VERSION: Literal[1] = 1
CARD = "card.json"
WEIGHTS = "weights.safetensors"


class BadBundle(UserError):
    """A model that cannot be loaded; the message says what is wrong and what to do."""


class DataCard(BaseModel):
    """A table a model was trained on.

    Attributes:
        stage: Stage that used it.
        file: Its name.
        sha256: Hash of the file.
        rows_sha256: Hash of the rows used: structures, values and properties.
        fidelity: Rung it gave.
        sources: What the rows call their source.
        n_rows: Rows used.
        n_left_out: Rows not used, each with its reason in the run folder.
    """

    model_config = ConfigDict(extra="forbid")

    stage: str
    file: str
    sha256: str
    rows_sha256: str
    fidelity: Fidelity
    sources: list[str]
    n_rows: int
    n_left_out: int


class IntervalCalibration(BaseModel):
    """How wide the intervals of one rung are: factor * sqrt(spread^2 + floor^2) on either side of ln kappa.

    The spread is what the model says of itself: that of its members, and of its corrections. Crystals outside the
    domain of the rung have a factor of their own.

    Attributes:
        level: Part of the crystals whose value lies inside.
        factor: Conformal quantile of the errors in units of the root.
        factor_outside: The same outside the domain; null if there is no domain, or too few crystals outside it.
        floor_ln: Spread of ln kappa below which none is taken.
        n: Crystals it was fitted on, of formulas the model had not seen.
        date: When, ISO 8601.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: float = Field(gt=0, lt=1)
    factor: float = Field(gt=0)
    factor_outside: float | None = Field(default=None, gt=0)
    floor_ln: float = Field(ge=0)
    n: int = Field(ge=1)
    date: str

    def half_width(self, spread_ln: NDArray[np.float64], outside: NDArray[np.bool_]) -> NDArray[np.float64]:
        """(n,) half-widths of the intervals in ln kappa from (n,) spreads and where the crystals lie."""
        factor = np.where(outside, self.factor_outside or self.factor, self.factor)
        half: NDArray[np.float64] = factor * np.hypot(spread_ln, self.floor_ln)
        return half


class ModelCard(BaseModel):
    """Everything a model says about itself.

    Attributes:
        schema_version: Version of this format.
        name: Name of the model.
        created: Date, ISO 8601.
        description: What it is for.
        recipe: The recipe it was made by.
        host: The network below the heads.
        embedding: Embedding level the heads take.
        head: Widths of the heads.
        composition: How kappa comes from the heads.
        fidelities: Rungs it answers for; the last is the default.
        scaler: The one scale of its targets.
        calibration: Width of the intervals, per rung; a rung without has the spread itself.
        domain_limit: Where the domain of a rung ends (`model.domain.Domain`); a rung without knows its elements
            alone.
        units: Unit of each quantity.
        elements: Atomic numbers seen with a label, per rung.
        formulas: Reduced formulas it was trained on, per rung.
        data: Tables it was trained on.
        members: Index of the stored host each member uses.
        metrics: Result of each stage, per member.
        versions: Library versions.
        licence: Of the weights.
        weights_sha256: Hash of the weights file.
    """

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str
    created: str
    description: str
    recipe: Recipe
    host: HostCard
    embedding: str
    head: tuple[int, ...]
    composition: Composition
    fidelities: Annotated[list[Fidelity], Field(min_length=1)]
    scaler: TargetScaler
    calibration: dict[Fidelity, IntervalCalibration] = {}
    domain_limit: dict[Fidelity, float] = {}
    units: dict[str, str]
    elements: dict[str, list[int]]
    formulas: dict[str, list[str]]
    data: list[DataCard]
    members: Annotated[list[int], Field(min_length=1)]
    metrics: dict[str, list[dict[str, Any]]]
    versions: dict[str, str]
    licence: str
    weights_sha256: str

    @model_validator(mode="after")
    def _consistent(self) -> ModelCard:
        if sorted(set(self.members)) != list(range(max(self.members) + 1)):
            raise ValueError("members: every stored host has to be used")
        if self.composition == "debye" and (
            BASE_FIDELITY not in self.fidelities or len(self.scaler.properties) < len(PROPERTIES)
        ):
            raise ValueError(f"a 'debye' model needs the rung '{BASE_FIDELITY}' and the scale of every property")
        return self


def save_bundle(folder: Path, card: ModelCard, members: list[KappaNetwork], domains: dict[str, Domain]) -> ModelCard:
    """Write a model; members whose hosts are equal share one stored host.

    Returns:
        The card as written, with `members`, `domain_limit` and `weights_sha256` filled in.
    """
    folder.mkdir(parents=True, exist_ok=True)
    hosts: list[dict[str, Tensor]] = []
    uses: list[int] = []
    tensors: dict[str, Tensor] = {}
    for index, member in enumerate(members):
        state = member.host.state_dict()
        same = [k for k, other in enumerate(hosts) if all(other[name].equal(state[name]) for name in state)]
        if not same:
            tensors |= {f"hosts.{len(hosts)}.{name}": value for name, value in state.items()}
            hosts.append(state)
        uses.append(same[0] if same else len(hosts) - 1)
        tensors |= {f"members.{index}.{name}": value for name, value in member.heads.state_dict().items()}
    tensors |= {f"domains.{rung}": torch.from_numpy(domain.centres) for rung, domain in domains.items()}
    save_file({name: value.contiguous().clone() for name, value in tensors.items()}, folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)
    limits = {rung: domain.limit for rung, domain in domains.items()}
    written = {"members": uses, "domain_limit": limits, "weights_sha256": file_sha256(folder / WEIGHTS)}
    card = card.model_copy(update=written)
    (folder / CARD).write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return card


def read_card(folder: Path) -> ModelCard:
    """Read and check a model's card.

    Raises:
        BadBundle: No bundle there, a newer schema, or a card that does not fit it.
    """
    path = folder / CARD
    if not path.is_file():
        raise BadBundle(f"{folder}: no model there: {CARD} is missing. Shipped models go by accurate and fast")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BadBundle(f"{path}: not readable as JSON ({error})") from error
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if version != SCHEMA_VERSION:
        raise BadBundle(
            f"{path}: schema version {version}, this kappatune reads {SCHEMA_VERSION}: "
            "install the kappatune it was made with, or train it again"
        )
    try:
        return ModelCard.model_validate(raw)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])
        raise BadBundle(f"{path}: {faults}") from error


def load_bundle(folder: Path) -> tuple[ModelCard, list[KappaNetwork], dict[str, Domain]]:
    """Load a model.

    Returns:
        Its card, its members, and the domains of its rungs.

    Raises:
        BadBundle: Card or weights are missing, damaged, changed since they were written, or do not fit.
    """
    card = read_card(folder)
    path = folder / WEIGHTS
    if not path.is_file():
        raise BadBundle(f"{folder}: {WEIGHTS} is missing")
    if file_sha256(path) != card.weights_sha256:
        raise BadBundle(f"{path}: the hash is not the card's: the file is damaged or was changed; get it again")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}
        hosts = []
        for index in range(max(card.members) + 1):
            host = new_host(card.host)
            load_strictly(host, _below(tensors, f"hosts.{index}."), f"{path}, host {index}")
            hosts.append(host)
        members = []
        for index, use in enumerate(card.members):
            member = KappaNetwork(
                hosts[use],
                level=card.embedding,
                widths=card.head,
                composition=card.composition,
                scaler=card.scaler,
                fidelities=card.fidelities,
            )
            load_strictly(member.heads, _below(tensors, f"members.{index}."), f"{path}, member {index}")
            members.append(member.eval())
    except SafetensorError as error:
        raise BadBundle(f"{path}: not a readable safetensors file ({error})") from error
    except (BadWeights, ValueError) as error:
        raise BadBundle(f"{folder}: card and weights do not fit each other: {error}") from error
    domains = {}
    for rung, limit in card.domain_limit.items():
        centres = tensors.get(f"domains.{rung}")
        if centres is None or centres.shape[1:] != (members[0].embedding_size,):
            raise BadBundle(f"{path}: the domain of '{rung}' is missing or does not fit the embedding")
        domains[str(rung)] = Domain(centres.numpy(), limit)
    used = (*(f"hosts.{k}." for k in range(len(hosts))), *(f"members.{k}." for k in range(len(members))), "domains.")
    if strangers := [name for name in tensors if not name.startswith(used)]:
        raise BadBundle(f"{path}: tensors that belong to no host, member or domain: {', '.join(strangers[:3])}")
    return card, members, domains


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
