"""Structure files that others wrote, read by kappatune, gemmi or ASE, and pymatgen: who agrees with whom.

    python -m studies.reading.real_files FOLDER_OR_ARCHIVE... [--list CLASS]

Archives are source distributions (`.tar.gz`, `.zip`), such as `pip download --no-binary :all: --no-deps ase` fetches.
Each crystal is described by its formula, its volume per atom, and the nearest distance of each element. Two readers
agree if these differ by less than 1 %. Compared is the first crystal of a file.
"""

from __future__ import annotations

import argparse
import tarfile
import tempfile
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from kappatune.structures import Crystal, check, read_crystals
from kappatune.structures.crystal import neighbour_pairs
from kappatune.structures.files import kind_of

TOLERANCE = 0.01
FAR_ANGSTROM = 6.0
MAX_ATOMS = 500

Description = tuple[str, dict[int, float]]
"""Formula, and numbers that characterise the crystal: volume per atom at 0, nearest distance by atomic number."""

CLASSES = {
    "agree": "ours and at least one other agree, none of the others contradicts",
    "agree with one": "ours agrees with one, and another reads another crystal",
    "only ours": "ours reads a crystal, the others none",
    "contradicts one": "ours contradicts the only other reader that reads it",
    "wrong": "ours contradicts two others that agree",
    "all differ": "ours and the others differ, and no two of the others agree",
    "refused, others agree": "refused, though two others agree",
    "refused, one reads": "refused, and only one other reads it",
    "refused, others differ": "refused, and the others read different crystals",
    "none reads": "no reader gives a crystal",
}


def main() -> None:
    """Read all files and print the table of classes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", type=Path)
    parser.add_argument("--list", default="", help="print the files of the classes whose name contains this text")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    counts: Counter[str] = Counter()
    for source in arguments.sources:
        for path in structure_files(source):
            found, reason = class_of(path)
            counts[found] += 1
            if arguments.list and arguments.list in found:
                print(f"{found}: {path}: {reason}")
    print(f"| files | class | meaning |\n|---:|---|---|\n| {counts.total()} | all | |")
    for name, meaning in CLASSES.items():
        print(f"| {counts[name]} | {name} | {meaning} |")


def structure_files(source: Path) -> Iterator[Path]:
    """Files with names of structure files below a folder or in an archive."""
    if source.is_dir():
        yield from (path for path in sorted(source.rglob("*")) if path.is_file() and kind_of(path))
        return
    with tempfile.TemporaryDirectory() as folder:
        if zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as archive:
                archive.extractall(folder)  # noqa: S202  zipfile keeps members inside the folder
        else:
            with tarfile.open(source) as archive:
                archive.extractall(folder, filter="data")
        yield from structure_files(Path(folder))


def class_of(path: Path) -> tuple[str, str]:
    """The class of a file, and the reason if ours refuses it."""
    readers = [with_pymatgen, with_gemmi if kind_of(path) == "CIF" else with_ase]
    first = next(iter(read_crystals([path])))
    others = [found for read in readers if (found := described_by(read, path))]
    alike = len(others) == 2 and agree(others[0], others[1])
    if not isinstance(first, Crystal):
        by_count = ("none reads", "refused, one reads", "refused, others agree" if alike else "refused, others differ")
        return by_count[len(others)], first.reason
    matches = [agree(described(first), other) for other in others]
    if not others:
        which = "only ours"
    elif all(matches):
        which = "agree"
    elif any(matches):
        which = "agree with one"
    elif len(others) == 1:
        which = "contradicts one"
    else:
        which = "wrong" if alike else "all differ"
    return which, ""


def described_by(read: Callable[[Path], Crystal], path: Path) -> Description | None:
    """What another reader makes of a file, None if it fails or gives no crystal."""
    try:
        crystal = read(path)
        return described(check(crystal)) if crystal.n_atoms <= MAX_ATOMS else described(crystal)
    except Exception:  # other readers raise whatever they like
        return None


def described(crystal: Crystal) -> Description:
    """Formula, volume per atom and nearest distance of each element."""
    centre, _, distance = neighbour_pairs(crystal, FAR_ANGSTROM)
    numbers: dict[int, float] = {0: crystal.volume / crystal.n_atoms}
    for number in np.unique(crystal.numbers).tolist():
        near = distance[crystal.numbers[centre] == number]
        numbers[number] = float(near.min()) if len(near) else FAR_ANGSTROM
    return crystal.formula_key, numbers


def agree(one: Description, other: Description) -> bool:
    """Whether two descriptions are of the same crystal."""
    if one[0] != other[0] or one[1].keys() != other[1].keys():
        return False
    return all(abs(one[1][key] / other[1][key] - 1) < TOLERANCE for key in one[1])


def with_pymatgen(path: Path) -> Crystal:
    """Read with pymatgen."""
    from pymatgen.core import Structure
    from pymatgen.io.cif import CifParser
    from pymatgen.io.vasp import Poscar

    kind = kind_of(path)
    if kind == "CIF":
        return Crystal.from_pymatgen(CifParser(path).parse_structures(primitive=False)[0])
    if kind == "POSCAR":
        return Crystal.from_pymatgen(Poscar.from_file(path, check_for_potcar=False).structure)
    return Crystal.from_pymatgen(Structure.from_file(path))


def with_ase(path: Path) -> Crystal:
    """Read with ASE."""
    import ase.io

    formats = {"POSCAR": "vasp", "extxyz": "extxyz", "JSON": "json"}
    return Crystal.from_ase(ase.io.read(path, index=0, format=formats[kind_of(path) or ""]))


def with_gemmi(path: Path) -> Crystal:
    """Read and expand with gemmi; partial occupancies fail."""
    import gemmi
    from pymatgen.core import Lattice

    small = gemmi.read_small_structure(str(path))
    if any(abs(site.occ - 1) > TOLERANCE for site in small.sites):
        raise ValueError("disordered")
    sites = list(small.get_all_unit_cell_sites())
    cell = small.cell
    lattice = Lattice.from_parameters(cell.a, cell.b, cell.c, cell.alpha, cell.beta, cell.gamma)
    return Crystal(
        np.array(lattice.matrix),
        np.array([site.element.atomic_number for site in sites]),
        np.array([site.fract.tolist() for site in sites]),
    )


if __name__ == "__main__":
    main()
