"""Kappa of silicon from the forces that phono3py's tests carry, compared with the value these tests expect.

    python -m studies.phonons.verify_silicon --phono3py FOLDER

FOLDER is an unpacked source distribution of phono3py (`pip download --no-binary phono3py --no-deps phono3py`), whose
tests carry PBEsol forces. Only the resulting number is stored here.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from phono3py import load

from kappatune.verification.force_constants import pair_distances, set_second_order, set_third_order
from kappatune.verification.settings import VerifySettings
from kappatune.verification.transport import run_transport
from studies.store import save_result

PUBLISHED_W_MK = 107.794
"""Expected by `test/conductivity/test_kappa_RTA.py`, within 0.5: compact force constants, mesh 9, no isotopes."""

MESH = 9


def main(phono3py: Annotated[Path, typer.Option(help="Unpacked source distribution.")]) -> None:
    """Compute kappa of silicon from phono3py's own forces: a minute."""
    folder = phono3py / "test"
    settings = VerifySettings.of("standard", isotopes=False)
    results = {}
    for name, cutoff in {"all pairs": None, "pairs to 4 Å": 4.0}.items():
        phonons = load(
            folder / "phono3py_si_pbesol.yaml",
            forces_fc3_filename=folder / "FORCES_FC3_si_pbesol",
            produce_fc=False,
            log_level=0,
        )
        forces = phonons.forces
        n_first = len(phonons.dataset["first_atoms"])
        if cutoff is None:
            phonons.dataset["cutoff_distance"] = 1.01 * float(pair_distances(phonons).max())
        else:
            phonons.generate_displacements(distance=0.03, cutoff_pair_distance=cutoff)
        n_forces = sum(cell is not None for cell in phonons.supercells_with_displacements)
        at_rest = np.zeros((1, *forces.shape[1:]))
        phonons.generate_fc2_displacements(distance=0.03)
        set_second_order(phonons, np.concatenate([at_rest, forces[:n_first]]))
        set_third_order(phonons, np.concatenate([at_rest, forces]))
        transport = run_transport(phonons, [MESH] * 3, settings, (300.0,))
        results[name] = {"n_forces": n_forces, "kappa_w_mk": float(transport.mean[0])}
    save_result(
        "verify_silicon",
        {
            "phono3py": version("phono3py"),
            "published_w_mk": PUBLISHED_W_MK,
            "ours": results,
            "within_half": abs(results["all pairs"]["kappa_w_mk"] - PUBLISHED_W_MK) < 0.5,
        },
    )


if __name__ == "__main__":
    typer.run(main)
