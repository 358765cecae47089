"""The folder of one crystal, where every finished step is stored: an interrupted run continues from there."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from kappatune.potentials import Potential
from kappatune.storage import atomic_path, write_text
from kappatune.structures import Crystal
from kappatune.verification.cell_formats import crystal_to_ase
from kappatune.verification.forces import NO_HELPERS, ForceCache, Helpers, cell_hash
from kappatune.verification.settings import VerifySettings

_NAME_LENGTH = 60


class StepCache:
    """Finished steps and forces of one crystal with one potential.

    The folder is named by what the forces depend on: the crystal, the potential, and how the crystal is relaxed. Runs
    with other settings share it, and its forces, and so does the same crystal under another name.

    Attributes:
        name: Of this crystal, with a hash of what the forces depend on.
        folder: Named so, unless a folder of another name has the same hash; created if it does not exist.
        forces: Forces of displaced cells.
    """

    def __init__(
        self,
        out: Path,
        crystal: Crystal,
        potential: Potential,
        settings: VerifySettings,
        helpers: Helpers = NO_HELPERS,
    ) -> None:
        relaxation = [settings.symprec, settings.fmax, settings.max_steps]
        key = digest(cell_hash(crystal_to_ase(crystal)), str(potential), potential.fingerprint, relaxation)
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", crystal.id)[:_NAME_LENGTH].strip("-.") or "crystal"
        self.name = f"{name}-{key}"
        self.folder = _folder(out, self.name, key)
        self.forces = ForceCache(self.folder / "forces", helpers)

    def load(self, name: str) -> dict[str, Any] | None:
        """The content of `NAME.json`, or None if there is no such file or it is damaged."""
        try:
            content = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) else None

    def save(self, name: str, content: dict[str, Any]) -> None:
        """Write `NAME.json`, whole or not at all; numbers keep every bit."""
        write_text(self.folder / f"{name}.json", json.dumps(content))

    def load_arrays(self, name: str) -> dict[str, Any] | None:
        """The arrays in `NAME.npz`, or None if there is no such file or it is damaged."""
        try:
            with np.load(self.folder / f"{name}.npz", allow_pickle=False) as arrays:
                return dict(arrays)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            return None

    def save_arrays(self, name: str, arrays: dict[str, Any]) -> None:
        """Write `NAME.npz`, whole or not at all."""
        with atomic_path(self.folder / f"{name}.npz") as partial, partial.open("wb") as file:
            np.savez(file, **arrays)


def _folder(out: Path, name: str, key: str) -> Path:
    """The folder of this name, or else the first one of the same crystal under another name."""
    own = out / name
    return own if own.exists() else min(out.glob(f"*-{key}"), default=own)


def digest(*parts: object) -> str:
    """12 hexadecimal digits that identify values which JSON can hold."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
