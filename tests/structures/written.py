"""Small files of every kind, as text and as other libraries write them, and what is read from them."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ase import Atoms
from ase.io import write
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter
from pymatgen.io.vasp import Poscar

from kappatune.structures.crystal import Crystal, Rejection
from kappatune.structures.read import read_crystals

NACL = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
SILICON = Structure.from_spacegroup("Fd-3m", Lattice.cubic(5.43), ["Si"], [[0, 0, 0]])
ZNS = Structure(
    Lattice.hexagonal(3.82, 6.26),
    ["Zn", "Zn", "S", "S"],
    [[1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0.5], [1 / 3, 2 / 3, 0.375], [2 / 3, 1 / 3, 0.875]],
)

CIF = """data_salt
_cell_length_a 5.64
_cell_length_b 5.64
_cell_length_c 5.64
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Na1 Na 0.0 0.0 0.0 1
Cl1 Cl 0.5 0.5 0.5 1
"""
POSCAR = """NaCl
1.0
4.0 0.0 0.0
0.0 4.0 0.0
0.0 0.0 4.0
Na Cl
1 1
Direct
0.0 0.0 0.0
0.5 0.5 0.5
"""
LATTICE = 'Lattice="4 0 0 0 4 0 0 0 4"'
FRAME = f"2\n{LATTICE} Properties=species:S:1:pos:R:3\nNa 0 0 0\nCl 2 2 2\n"
SUFFIXES = ["x.cif", "x.vasp", "x.poscar", "POSCAR", "CONTCAR.old", "x.extxyz", "x.xyz", "x.json"]

LIBRARY_PHRASES = re.compile(r"list index|no structures|Traceback|strict|NoneType|object is not|zip\(\)")


def read(*sources: str | Path) -> list[Crystal | Rejection]:
    entries = list(read_crystals(sources))
    for entry in entries:
        assert entry.id
        assert entry.file
        if isinstance(entry, Rejection):
            assert not LIBRARY_PHRASES.search(entry.reason), entry.reason
            assert "\n" not in entry.reason
    return entries


def read_text(folder: Path, name: str, text: str | bytes) -> list[Crystal | Rejection]:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path)


def rejection(folder: Path, name: str, text: str | bytes) -> Rejection:
    (entry,) = read_text(folder, name, text)
    assert isinstance(entry, Rejection)
    assert entry.id == Path(name).stem or name.startswith("POSCAR")
    assert entry.file == str(folder / name)
    return entry


def crystal(folder: Path, name: str, text: str) -> Crystal:
    (entry,) = read_text(folder, name, text)
    assert isinstance(entry, Crystal), entry
    return entry


def write_kind(structure: Structure, path: Path) -> Path:
    if path.suffix == ".cif":
        CifWriter(structure).write_file(path)
    elif path.suffix in (".vasp", ".poscar", ""):
        Poscar(structure).write_file(path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(structure.as_dict()))
    else:
        write(path, structure.to_ase_atoms(), format="extxyz")
    return path


def atoms_frame(name: str | None = None) -> Atoms:
    atoms = NACL.to_ase_atoms()
    if name:
        atoms.info["id"] = name
    return atoms
