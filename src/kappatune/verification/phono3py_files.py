"""Files that phono3py's own commands open: displacements, forces, force constants, conductivity; and all modes."""

from __future__ import annotations

import csv
import json
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kappatune.storage import atomic_path, write_text
from kappatune.verification.modes import Modes

if TYPE_CHECKING:
    from phono3py import Phono3py

    from kappatune.verification.phonons import PhononResult

COMPLETE = "kappatune.json"
"""Written last: what the files were computed with."""

MODE_COLUMNS = (
    "qx", "qy", "qz", "weight", "band", "frequency_thz", "speed_km_s", "lifetime_ps", "mean_free_path_nm",
    "gruneisen", "kappa_w_mk",
)  # fmt: skip
"""Of `modes.csv`: at 300 K, one row for each mode on an irreducible point of the mesh. `weight` points are equivalent
to it; `kappa_w_mk` is what all of them carry, mean of xx, yy, zz."""


def is_complete(folder: Path, key: str) -> bool:
    """Whether a folder holds the files of these settings and versions."""
    try:
        return bool(json.loads((folder / COMPLETE).read_text(encoding="utf-8"))["key"] == key)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write_files(folder: Path, result: PhononResult, origin: dict[str, Any]) -> None:
    """Write what phono3py's commands read.

    `phono3py_disp.yaml` and `phono3py_params.yaml` hold cells, supercells and displacements, the second the forces and
    Born charges too; `fc2.hdf5` and `fc3.hdf5` the force constants; `kappa-m*.hdf5` the conductivity by mode;
    `modes.csv` the modes at 300 K in a table.

    Args:
        folder: Created if it does not exist; files of the same names are replaced.
        result: Phonons and conductivity.
        origin: Written last to `kappatune.json`; its `key` stands for settings and versions.

    Raises:
        OSError: The folder cannot be written.
    """
    from phono3py.file_IO import write_fc2_to_hdf5, write_fc3_to_hdf5

    phonons = result.prepared.phono3py
    folder.mkdir(parents=True, exist_ok=True)
    (folder / COMPLETE).unlink(missing_ok=True)
    for stale in folder.glob("kappa-m*.hdf5"):
        stale.unlink()
    phonons.save(folder / "phono3py_disp.yaml", settings={"force_sets": False, "displacements": True})
    phonons.save(folder / "phono3py_params.yaml", settings={"force_sets": True, "displacements": True})
    assert phonons.fc2 is not None
    assert phonons.fc3 is not None
    write_fc2_to_hdf5(phonons.fc2, str(folder / "fc2.hdf5"), p2s_map=phonons.phonon_primitive.p2s_map)
    write_fc3_to_hdf5(phonons.fc3, filename=str(folder / "fc3.hdf5"), p2s_map=phonons.primitive.p2s_map)
    _write_kappa(folder, phonons)
    _write_modes(folder / "modes.csv", result.transport.modes, result.gruneisen)
    write_text(folder / COMPLETE, json.dumps(origin, indent=1))


def _write_kappa(folder: Path, phonons: Phono3py) -> None:
    from phono3py.conductivity.calculators import LBTECalculator
    from phono3py.conductivity.output import ConductivityLBTEWriter, ConductivityRTAWriter

    result = phonons.thermal_conductivity
    with chdir(folder):  # phono3py writes to the current folder alone
        if isinstance(result, LBTECalculator):
            ConductivityLBTEWriter.write_kappa(result, phonons.primitive.volume)
        else:
            ConductivityRTAWriter.write_kappa(result, phonons.primitive.volume, "gzip")


def _write_modes(path: Path, modes: Modes, gruneisen: NDArray[np.float64]) -> None:
    n_q, n_bands = modes.frequencies.shape
    speed = np.linalg.norm(modes.velocities, axis=-1) / 10
    of_modes = (modes.frequencies, speed, modes.lifetimes, modes.mean_free_paths, gruneisen, modes.mean_kappa)
    with atomic_path(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(MODE_COLUMNS)
        for q, band in np.ndindex(n_q, n_bands):
            values = ["" if np.isnan(value[q, band]) else f"{value[q, band]:.6g}" for value in of_modes]
            writer.writerow([*(f"{x:.6g}" for x in modes.qpoints[q]), modes.weights[q], band + 1, *values])
