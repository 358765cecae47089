"""Training checkpoints without pickle: Lightning's nested state as safetensors with a JSON skeleton."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins import CheckpointIO
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from kappatune.storage import atomic_path

_SKELETON = "skeleton"


class SafetensorsCheckpointIO(CheckpointIO):
    """Writes a checkpoint atomically as one safetensors file; reads it back without executing anything."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write `checkpoint` to `path`."""
        tensors: dict[str, Tensor] = {}
        skeleton = json.dumps(_strip(checkpoint, tensors))
        with atomic_path(Path(path)) as partial:
            save_file(tensors, partial, metadata={_SKELETON: skeleton})

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read what `save_checkpoint` wrote."""
        device = str(map_location) if isinstance(map_location, str | torch.device) else "cpu"
        with safe_open(path, framework="pt", device=device) as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}
            checkpoint: dict[str, Any] = _restore(json.loads(file.metadata()[_SKELETON]), tensors)
            return checkpoint

    def remove_checkpoint(self, path: str | Path) -> None:
        """Delete the file."""
        Path(path).unlink(missing_ok=True)


def _strip(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        key = f"t{len(tensors)}"
        tensors[key] = value.detach().clone().contiguous()
        return {"tensor": key}
    if isinstance(value, dict):
        return {"dict": [[_strip(k, tensors), _strip(v, tensors)] for k, v in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [_strip(v, tensors) for v in value]}
    if isinstance(value, list):
        return {"list": [_strip(v, tensors) for v in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return {"value": value}
    raise TypeError(f"a checkpoint cannot hold a {type(value).__name__}")


def _restore(node: dict[str, Any], tensors: dict[str, Tensor]) -> Any:
    (kind, content), *_ = node.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {_restore(k, tensors): _restore(v, tensors) for k, v in content}
    if kind in ("tuple", "list"):
        items = [_restore(v, tensors) for v in content]
        return tuple(items) if kind == "tuple" else items
    return content
