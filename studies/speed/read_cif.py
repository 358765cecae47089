"""How many small CIFs one process reads in a second, beside pymatgen, ASE and gemmi alone in the same run.

    python -m studies.speed.read_cif [--files 600] [--rounds 3]

Written are crystals of the shipped AGL prototypes, half of them with the symmetry that pymatgen finds and half without.
Each reader takes all files in turn; the fastest of several rounds counts, in seconds of the processor.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from kappatune.storage import ASSETS
from kappatune.structures import Crystal, read_crystals
from studies.store import save_result


def write_cifs(folder: Path, n_files: int) -> list[Path]:
    """Write CIFs with pymatgen, every second one with its symmetry."""
    from pymatgen.io.cif import CifWriter

    tables = sorted((ASSETS / "prototypes" / "agl").glob("*.parquet"))
    crystals = [entry for entry in read_crystals(tables) if isinstance(entry, Crystal)]
    step = max(len(crystals) // n_files, 1)
    paths = []
    for index, crystal in enumerate(crystals[::step][:n_files]):
        paths.append(folder / f"{index}.cif")
        CifWriter(crystal.to_pymatgen(), symprec=0.01 if index % 2 else None).write_file(paths[-1])
    return paths


def ours(path: Path) -> None:
    """Read with kappatune, checks included."""
    (entry,) = read_crystals([path])
    assert isinstance(entry, Crystal), entry


def with_pymatgen(path: Path) -> None:
    """Read with pymatgen."""
    from pymatgen.io.cif import CifParser

    CifParser(path).parse_structures(primitive=False)


def with_ase(path: Path) -> None:
    """Read with ASE."""
    import ase.io

    ase.io.read(path)


def with_gemmi(path: Path) -> None:
    """Parse and expand with gemmi, without any check."""
    import gemmi

    gemmi.read_small_structure(str(path)).get_all_unit_cell_sites()


READERS: dict[str, Callable[[Path], None]] = {
    "kappatune": ours,
    "pymatgen": with_pymatgen,
    "ASE": with_ase,
    "gemmi alone": with_gemmi,
}


def files_per_second(paths: list[Path], rounds: int) -> dict[str, float]:
    """Files per second of processor time by reader, the fastest round of each."""
    best = dict.fromkeys(READERS, float("inf"))
    for _ in range(rounds):
        for name, read in READERS.items():
            started = time.process_time()
            for path in paths:
                read(path)
            best[name] = min(best[name], time.process_time() - started)
    return {name: len(paths) / seconds for name, seconds in best.items()}


def main() -> None:
    """Measure, store and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        rates = files_per_second(write_cifs(Path(folder), arguments.files), arguments.rounds)
    save_result(
        "read_cif",
        {
            "n_files": arguments.files,
            "rounds": arguments.rounds,
            "files_per_s": {name: round(rate) for name, rate in rates.items()},
            "over_pymatgen": round(rates["kappatune"] / rates["pymatgen"], 1),
            "readers": {name: version(name) for name in ("pymatgen", "ase", "gemmi")},
        },
    )


if __name__ == "__main__":
    main()
