"""The files of a training run, from which it can be resumed: one folder per member and stage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file as load_numpy
from safetensors.numpy import save_file as save_numpy
from safetensors.torch import load_file, save_file

from kappatune.model.heads import KappaNetwork
from kappatune.model.hosts import load_strictly
from kappatune.storage import atomic_path, file_sha256, write_text
from kappatune.training.corrections import HeldOut
from kappatune.training.label_doubts import LabelDoubt
from kappatune.training.recipe import BadRun, Recipe
from kappatune.training.rows import PreparedStage
from kappatune.training.stage import CHECKPOINT, StageResult

_INPUTS = "run.json"
_DIFFERENT = {
    "recipe": "of another recipe",
    "data": "with other data",
    "host": "with another host",
    "start": "from another model",
}
_LEFT_OUT = "left_out.jsonl"
_LABEL_REPORT = "label_report.jsonl"
_RESULT = "done.json"
_WEIGHTS = "network.safetensors"
_HELD_OUT = "held_out.safetensors"


def is_claimed(folder: Path) -> bool:
    """Whether a training has begun in the folder of a run."""
    return (folder / _INPUTS).is_file()


def is_unused(folder: Path) -> bool:
    """Whether the folder of a model is absent, empty, or holds no more than the report of labels that were refused."""
    report = folder / "run" / _LABEL_REPORT
    return all(path in (report, report.parent) for path in folder.rglob("*"))


def claim_folder(folder: Path, recipe: Recipe, stages: Sequence[PreparedStage], start_sha256: str | None) -> None:
    """Store what is trained in a folder, and refuse to mix two runs.

    Args:
        folder: Of the run.
        recipe: What is trained.
        stages: Its stages with their rows.
        start_sha256: Hash of the model that the training starts from, if there is one.

    Raises:
        BadRun: The folder holds a run of another recipe or with other data.
    """
    inputs = {
        "recipe": recipe.model_dump(mode="json", exclude_defaults=True),
        "data": [card.rows_sha256 for prepared in stages for card in prepared.cards],
        "host": [file_sha256(Path(name)) if Path(name).is_file() else name for name in recipe.hosts],
        "start": start_sha256,
    }
    path = folder / _INPUTS
    if path.is_file():
        before, now = _decisive(json.loads(path.read_text(encoding="utf-8"))), _decisive(inputs)
        if different := [words for name, words in _DIFFERENT.items() if before[name] != now[name]]:
            raise BadRun(f"{folder} holds a run {' and '.join(different)}: choose another folder (--out)")
    write_text(path, json.dumps(inputs, indent=1))


def _decisive(inputs: dict[str, Any]) -> dict[str, Any]:
    """The inputs that decide the result: not the words of the recipe, nor how it spells the names of models."""
    recipe = {name: v for name, v in inputs["recipe"].items() if name not in ("description", "host", "start")}
    return {**inputs, "recipe": recipe}


def write_left_out(folder: Path, stages: Sequence[PreparedStage]) -> Path:
    """Write the rows that stages leave out, one JSON object a line; returns the file."""
    path = folder / _LEFT_OUT
    rows = [asdict(row) for prepared in stages for row in prepared.left_out]
    write_text(path, "".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_label_report(folder: Path, doubts: Sequence[LabelDoubt]) -> Path:
    """Write the doubts about labels, one JSON object a line; returns the file."""
    path = folder / _LABEL_REPORT
    write_text(path, "".join(json.dumps(asdict(doubt)) + "\n" for doubt in doubts))
    return path


def stored_result(folder: Path, network: KappaNetwork) -> dict[str, Any] | None:
    """The result of a stage that was completed earlier; its weights are loaded into the network.

    Raises:
        kappatune.model.hosts.BadWeights: The stored weights do not fit the network.
    """
    if not (folder / _RESULT).is_file():
        return None
    weights = folder / _WEIGHTS
    load_strictly(network, load_file(weights), str(weights))
    result: dict[str, Any] = json.loads((folder / _RESULT).read_text(encoding="utf-8"))
    return result


def store_result(folder: Path, network: KappaNetwork, result: StageResult) -> None:
    """Store weights and result of a completed stage; its checkpoint is no longer needed."""
    with atomic_path(folder / _WEIGHTS) as partial:
        save_file({name: value.contiguous() for name, value in network.state_dict().items()}, partial)
    write_text(folder / _RESULT, json.dumps(asdict(result)))
    (folder / CHECKPOINT).unlink(missing_ok=True)


def stored_held_out(folder: Path) -> HeldOut | None:
    """The errors in cross-validation of a stage that was learnt by a teacher; kappatune 0.2.0 did not store them."""
    path = folder / _HELD_OUT
    return HeldOut(**load_numpy(path)) if path.is_file() else None


def store_held_out(folder: Path, held_out: HeldOut) -> None:
    """Store the errors in cross-validation of a stage, before its result."""
    with atomic_path(folder / _HELD_OUT) as partial:
        save_numpy({"error": held_out.error, "spread": held_out.spread}, partial)


def networks_sha256(members: Sequence[KappaNetwork]) -> str:
    """Hash of the weights of a model that is in memory."""
    digest = hashlib.sha256()
    for member in members:
        for name, values in member.state_dict().items():
            digest.update(name.encode())
            digest.update(values.cpu().numpy().tobytes())
    return digest.hexdigest()
