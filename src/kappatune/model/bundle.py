"""Model bundles: a folder with `weights.safetensors` and `card.json`. No pickle is ever read."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from kappatune.errors import UserError
from kappatune.model.card import ModelCard
from kappatune.model.domain import Domain
from kappatune.model.heads import KappaNetwork
from kappatune.model.hosts import BadWeights, load_strictly, new_host
from kappatune.model.upgrades import BUNDLE_UPGRADES, CannotUpgrade, Upgrade, upgraded_card, upgrades_of
from kappatune.storage import ASSETS, atomic_path, file_sha256, write_text

CARD = "card.json"
WEIGHTS = "weights.safetensors"
SHIPPED = ASSETS / "models"


class BadBundle(UserError):
    """A model that cannot be loaded; the message says what is wrong and what to do."""


def model_folder(name: str | Path) -> Path:
    """Folder of a model: a shipped name (`accurate`, `fast`) or a path.

    Raises:
        TypeError: The name is neither a string nor a path.
    """
    if not isinstance(name, str | Path):
        raise TypeError(f"a model is given by its name or the path of its folder, not by a {type(name).__name__}")
    shipped = SHIPPED / str(name)
    return shipped if shipped.is_dir() else Path(name).expanduser()


def save_bundle(folder: Path, card: ModelCard, members: list[KappaNetwork], domains: dict[str, Domain]) -> ModelCard:
    """Write a model; members whose hosts are equal share one stored host.

    Returns:
        The card as written, with `members`, `domain_limit` and `weights_sha256` filled in.
    """
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
    with atomic_path(folder / WEIGHTS) as partial:
        save_file({name: value.cpu().contiguous().clone() for name, value in tensors.items()}, partial)
        partial.chmod(0o644)
    limits = {rung: domain.limit for rung, domain in domains.items()}
    written = {"members": uses, "domain_limit": limits, "weights_sha256": file_sha256(folder / WEIGHTS)}
    card = card.model_copy(update=written)
    write_text(folder / CARD, card.model_dump_json(indent=1) + "\n")
    return card


def read_card(folder: Path) -> ModelCard:
    """Read and check a model's card; a card of an older version is upgraded.

    Raises:
        BadBundle: No bundle there, a version that cannot be read, or a card that does not fit its version.
    """
    return _read_card(folder)[0]


def load_bundle(folder: Path) -> tuple[ModelCard, list[KappaNetwork], dict[str, Domain]]:
    """Load a model; a bundle of an older version is upgraded in memory and predicts what it always did.

    Returns:
        Its card, its members, and the domains of its rungs.

    Raises:
        BadBundle: Card or weights are missing, damaged, changed since they were written, do not fit each other, or
            have a version that cannot be read.
    """
    card, steps = _read_card(folder)
    path = folder / WEIGHTS
    if not path.is_file():
        raise BadBundle(f"{folder}: {WEIGHTS} is missing")
    if file_sha256(path) != card.weights_sha256:
        raise BadBundle(f"{path}: the hash is not the one in the card: the file is damaged or changed; get it again")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}
        for step in steps:
            tensors = step.tensors(tensors)
        members = _members(card, tensors, path)
    except SafetensorError as error:
        raise BadBundle(f"{path}: not a readable safetensors file ({error})") from error
    except (BadWeights, ValueError) as error:
        raise BadBundle(f"{folder}: card and weights do not match: {error}") from error
    domains = _domains(card, tensors, members[0].embedding_size, path)
    hosts = {f"hosts.{k}." for k in card.members}
    used = (*hosts, *(f"members.{k}." for k in range(len(members))), "domains.")
    if unknown := [name for name in tensors if not name.startswith(used)]:
        raise BadBundle(f"{path}: tensors that belong to no host, member or domain: {', '.join(unknown[:3])}")
    return card, members, domains


def _read_card(folder: Path) -> tuple[ModelCard, list[Upgrade]]:
    path = folder / CARD
    if not path.is_file():
        raise BadBundle(f"{folder}: no model there: {CARD} is missing. Shipped models are called accurate and fast")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BadBundle(f"{path}: not readable as JSON ({error})") from error
    if not isinstance(raw, dict):
        raise BadBundle(f"{path}: not the card of a model: it is a {type(raw).__name__}, not an object")
    try:
        steps = upgrades_of(raw, BUNDLE_UPGRADES)
        return ModelCard.model_validate(upgraded_card(raw, steps)), steps
    except CannotUpgrade as error:
        raise BadBundle(f"{path}: {error}") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])
        raise BadBundle(f"{path}: {faults}") from error


def _members(card: ModelCard, tensors: dict[str, Tensor], path: Path) -> list[KappaNetwork]:
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
    return members


def _domains(card: ModelCard, tensors: dict[str, Tensor], size: int, path: Path) -> dict[str, Domain]:
    domains = {}
    for rung, limit in card.domain_limit.items():
        centres = tensors.get(f"domains.{rung}")
        if centres is None or centres.shape[1:] != (size,):
            raise BadBundle(f"{path}: the domain of '{rung}' is missing or does not fit the embedding")
        domains[str(rung)] = Domain(centres.numpy(), limit)
    return domains


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
