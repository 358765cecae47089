"""CIF files of ranked or suggested crystals."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from kappatune.screening.ranked_crystal import RankedCrystal
from kappatune.structures.plain import cif_text

_ID_LENGTH = 80


def write_cifs(rows: Iterable[RankedCrystal], folder: str | Path) -> list[Path]:
    """Write one CIF per crystal, named by rank, formula and id, such as `001_MgO_mp-1265.cif`.

    Characters of an id that are not safe in a file name become hyphens.

    Raises:
        kappatune.screening.query.BadScan: The scan does not hold the structure of a crystal.
        OSError: The folder or a file cannot be written.
    """
    rows, folder = list(rows), Path(folder)
    digits = max(3, len(str(len(rows))))
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, row in enumerate(rows, 1):
        crystal = row.crystal()
        names = [f"{number:0{digits}d}", _safe(crystal.formula), _safe(row.id)]
        path = folder / ("_".join(name for name in names if name) + ".cif")
        path.write_text(cif_text(crystal), encoding="utf-8")
        paths.append(path)
    return paths


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:_ID_LENGTH].strip("-.")
