"""Sources to scan, scans run as a user runs them, and their rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.dataset as ds
from ase import Atoms

from kappatune.structures import Crystal
from kappatune.structures.crystal import element_symbol
from tests.builders import rocksalt

CATIONS, ANIONS = (3, 11, 12, 19, 20, 37, 38, 56), (8, 9, 16, 17, 34, 35)


def pool(n: int) -> list[Crystal]:
    kinds = [(a, b) for a in CATIONS for b in ANIONS]
    return [rocksalt(*kinds[k % 48], 3.8 + 0.05 * (k % 48) + 0.001 * (k // 48), f"c{k}") for k in range(n)]


def as_atoms(crystal: Crystal) -> Atoms:
    return Atoms(crystal.numbers, cell=crystal.lattice, scaled_positions=crystal.frac_coords, pbc=True)


def write_jsonl(path: Path, crystals: list[Crystal]) -> Path:
    with path.open("w") as out:
        for c in crystals:
            species = [element_symbol(z) for z in c.numbers.tolist()]
            row = {"id": c.id, "lattice": c.lattice.tolist(), "species": species, "frac_coords": c.frac_coords.tolist()}
            out.write(json.dumps(row) + "\n")
    return path


def write_extxyz(path: Path, crystals: list[Crystal]) -> Path:
    from ase.io import write

    write(path, [as_atoms(c) for c in crystals], format="extxyz")
    return path


def rows_of(folder: Path) -> list[dict]:
    return ds.dataset(folder, format="parquet").to_table().to_pylist()


SMALL_UNITS = "import kappatune.screening.sources as s; s.UNIT_SIZE = 8\n"
POISON = """
import os, kappatune.structures.read as sources
read = sources.read_file
def dies(path, file):
    if path.name == "poison.cif":
        os.kill(os.getpid(), 9)
    return read(path, file)
sources.read_file = dies
"""


def run_screen(tmp_path, *arguments, patch="", wait=True):
    """Run the command with small units; `patch` is executed in every process of it."""
    site = tmp_path / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(SMALL_UNITS + patch)
    process = subprocess.Popen(
        [sys.executable, "-c", "from kappatune.cli import main; main()", "screen", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    if not wait:
        return process
    _, stderr = process.communicate()
    return process.returncode, stderr


def processes_of_session(leader: int) -> list[int]:
    """Processes, other than finished ones, that a command started by `run_screen` has started."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,sid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = (line.split() for line in listed.splitlines())
    return [int(pid) for pid, session, state in rows if int(session) == leader and not state.startswith("Z")]
