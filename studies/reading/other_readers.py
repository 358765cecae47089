"""How pymatgen, ASE, gemmi and phonopy read a file."""

from __future__ import annotations

import json
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from kappatune.structures import Crystal, check
from studies.reading.fingerprint import Fingerprint
from studies.reading.structure_files import StructureFile

FILE_NAMES = {"CIF": "x.cif", "POSCAR": "POSCAR", "extxyz": "x.extxyz", "JSON": "x.json"}
"""By kind: names that tell all readers the kind."""

READER_VERSIONS = {name: version(name) for name in ("gemmi", "pymatgen-core", "ase", "phonopy")}
SECONDS = 20
MAX_ATOMS = 3000
_PARTIAL = 0.01

Reader = Callable[[Path], Crystal]


class Disordered(ValueError):
    """A reader gives a crystal with partially occupied or mixed sites."""


@dataclass(frozen=True)
class Answer:
    """What a reader makes of a file.

    Attributes:
        reader: Its name.
        crystal: The fingerprint of its crystal, None if it gives none that passes the checks of every crystal.
        reason: `disordered`, or the message.
    """

    reader: str
    crystal: Fingerprint | None
    reason: str = ""


class Answers:
    """What the other readers of a kind make of a file; each is asked when its turn comes."""

    def __init__(self, content: bytes, kind: str) -> None:
        self._content, self._kind = content, kind

    def __iter__(self) -> Iterator[Answer]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / FILE_NAMES[self._kind]
            path.write_bytes(self._content)
            for name, read in READERS[self._kind].items():
                yield _answer(name, read, path)


class KeptAnswers:
    """What the other readers make of files, kept in a file: they take far longer than ours."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: dict[str, list[Answer]] = {}
        for line in path.read_text().splitlines() if path.exists() else ():
            record = json.loads(line)
            self._kept[record["key"]] = [
                Answer(reader, fields and Fingerprint.of_json(fields), reason)
                for reader, fields, reason in record["answers"]
            ]

    def of(self, file: StructureFile) -> list[Answer]:
        """The answers of all readers of the kind of the file."""
        key = f"{file.kind} {file.hash} {READER_VERSIONS}"
        if key not in self._kept:
            found = self._kept[key] = list(Answers(file.content, file.kind))
            answers = [(one.reader, one.crystal and one.crystal.as_json(), one.reason) for one in found]
            with self._path.open("a") as kept:
                kept.write(json.dumps({"key": key, "answers": answers}) + "\n")
        return self._kept[key]


def _answer(name: str, read: Reader, path: Path) -> Answer:
    try:
        with warnings.catch_warnings(), _time_limit():
            warnings.simplefilter("ignore")
            crystal = read(path)
            if crystal.n_atoms > MAX_ATOMS:
                raise ValueError(f"more than {MAX_ATOMS} atoms")
            return Answer(name, Fingerprint.of(check(crystal)))
    except Disordered:
        return Answer(name, None, "disordered")
    except (Exception, SystemExit) as error:  # other readers raise whatever they like
        return Answer(name, None, f"{type(error).__name__}: {error}"[:200])


@contextmanager
def _time_limit() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError(f"not read within {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _pymatgen_cif(path: Path) -> Crystal:
    from pymatgen.io.cif import CifParser

    return _of_pymatgen(CifParser(path).parse_structures(primitive=False)[0])


def _pymatgen_poscar(path: Path) -> Crystal:
    from pymatgen.io.vasp import Poscar

    return _of_pymatgen(Poscar.from_file(path, check_for_potcar=False).structure)


def _pymatgen_file(path: Path) -> Crystal:
    from pymatgen.core import Structure

    return _of_pymatgen(Structure.from_file(path))


def _of_pymatgen(structure: object) -> Crystal:
    from pymatgen.core import Structure

    if not isinstance(structure, Structure):
        raise TypeError(f"a {type(structure).__name__}, no structure")
    if any(
        abs(site.species.num_atoms - 1) > _PARTIAL or len(site.species.element_composition) > 1 for site in structure
    ):
        raise Disordered
    return Crystal.from_pymatgen(structure)


def _ase(file_format: str) -> Reader:
    def read(path: Path) -> Crystal:
        import ase.io

        atoms = ase.io.read(path, index=0, format=file_format)
        for shares in atoms.info.get("occupancy", {}).values():
            if any(abs(share - 1) > _PARTIAL for share in shares.values()):
                raise Disordered
        return Crystal.from_ase(atoms)

    return read


def _gemmi(path: Path) -> Crystal:
    import gemmi
    from pymatgen.core import Lattice

    small = gemmi.read_small_structure(str(path))
    if any(abs(site.occ - 1) > _PARTIAL for site in small.sites):
        raise Disordered
    sites = list(small.get_all_unit_cell_sites())
    cell = small.cell
    lattice = Lattice.from_parameters(cell.a, cell.b, cell.c, cell.alpha, cell.beta, cell.gamma)
    return Crystal(
        np.array(lattice.matrix),
        np.array([site.element.atomic_number for site in sites]),
        np.array([site.fract.tolist() for site in sites]),
    )


def _phonopy(path: Path) -> Crystal:
    from phonopy.interface.vasp import read_vasp

    cell = read_vasp(str(path))
    return Crystal(np.array(cell.cell), np.array(cell.numbers, dtype=np.int64), np.array(cell.scaled_positions))


READERS: dict[str, dict[str, Reader]] = {
    "CIF": {"gemmi": _gemmi, "pymatgen": _pymatgen_cif, "ASE": _ase("cif")},
    "POSCAR": {"phonopy": _phonopy, "pymatgen": _pymatgen_poscar, "ASE": _ase("vasp")},
    "extxyz": {"ASE": _ase("extxyz")},
    "JSON": {"pymatgen": _pymatgen_file, "ASE": _ase("json")},
}
"""By kind of file and name, fast ones first."""
