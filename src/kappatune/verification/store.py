"""The folder of one crystal, where every finished step is kept: a killed run goes on, and ends with the same result."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kappatune.potentials.base import Potential
from kappatune.structures import Crystal
from kappatune.verification.cells import crystal_atoms
from kappatune.verification.forces import ForceStore, cell_hash
from kappatune.verification.settings import VerifySettings

_NAME_LENGTH = 60


class Store:
    """Steps and forces of one crystal with one potential.

    What forces depend on names the folder: crystal, potential, and how it is relaxed. Other settings find the same
    forces again.

    Attributes:
        folder: Made if it is not there.
        forces: Of displaced cells.
    """

    def __init__(self, out: Path, crystal: Crystal, potential: Potential, settings: VerifySettings) -> None:
        relaxation = [settings.symprec, settings.fmax, settings.max_steps]
        key = digest(cell_hash(crystal_atoms(crystal)), str(potential), potential.fingerprint, relaxation)
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", crystal.id)[:_NAME_LENGTH].strip("-.") or "crystal"
        self.folder = out / f"{name}-{key}"
        self.forces = ForceStore(self.folder / "forces")

    def said(self) -> str:
        """How many forces lie here already, for people; nothing if there are none."""
        stored = sum(1 for _ in self.forces.folder.glob("*.npy"))
        return f"; {stored} are there already" if stored else ""

    def kept(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What lies in `NAME.json`, or what `make` gives, which is kept there."""
        path = self.folder / f"{name}.json"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(found, dict):
                return found
        except (OSError, ValueError):
            pass
        made = make()
        self.keep(name, made)
        return made

    def keep(self, name: str, value: dict[str, Any]) -> None:
        """Write `NAME.json`, whole or not at all; numbers keep every bit."""
        partial = self.folder / f"{name}.{os.getpid()}.partial"
        partial.write_text(json.dumps(value), encoding="utf-8")
        os.replace(partial, self.folder / f"{name}.json")

    def keep_arrays(self, name: str, arrays: dict[str, Any]) -> None:
        """Write `NAME.npz`, whole or not at all."""
        partial = self.folder / f"{name}.{os.getpid()}.partial"
        with partial.open("wb") as file:
            np.savez(file, **arrays)
        os.replace(partial, self.folder / f"{name}.npz")

    def arrays(self, name: str) -> dict[str, Any] | None:
        """What lies in `NAME.npz`, or None."""
        try:
            with np.load(self.folder / f"{name}.npz", allow_pickle=False) as found:
                return dict(found)
        except (OSError, ValueError, EOFError):
            return None


def digest(*parts: object) -> str:
    """12 hexadecimal digits that stand for values which JSON can hold."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
