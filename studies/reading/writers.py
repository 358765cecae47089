"""Crystals as pymatgen, ASE and gemmi write them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from io import BytesIO, StringIO
from typing import Any

import ase.io
import gemmi
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.cif import CifWriter
from pymatgen.io.vasp import Poscar
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from studies.reading.structure_files import StructureFile

_SAME_SITE_ANGSTROM = 0.01


def by_ase(structure: Structure, **arguments: Any) -> str:
    """What ASE writes with these arguments of `ase.io.write`."""
    file = BytesIO() if arguments["format"] == "cif" else StringIO()
    ase.io.write(file, AseAtomsAdaptor.get_atoms(structure, msonable=False), **arguments)
    text = file.getvalue()
    return text.decode() if isinstance(text, bytes) else text


def by_gemmi(structure: Structure) -> str:
    """A CIF with all atoms in P 1."""
    return _by_gemmi("P 1", structure)


def by_gemmi_with_symbol(structure: Structure) -> str:
    """A CIF with the symbol of the space group, without operations, and one atom of each orbit."""
    symmetric = SpacegroupAnalyzer(structure, symprec=_SAME_SITE_ANGSTROM).get_symmetrized_structure()
    dataset = SpacegroupAnalyzer(structure, symprec=_SAME_SITE_ANGSTROM).get_symmetry_dataset()
    hall = gemmi.find_spacegroup_by_ops(
        gemmi.GroupOps(
            [
                gemmi.Op(",".join(_axis(row, shift) for row, shift in zip(rotation, translation, strict=True)))
                for rotation, translation in zip(dataset.rotations, dataset.translations, strict=True)
            ]
        )
    )
    if hall is None:
        raise ValueError("no setting of gemmi's table")
    return _by_gemmi(hall.xhm(), structure, (sites[0] for sites in symmetric.equivalent_sites))


def _axis(row: Iterable[int], shift: float) -> str:
    turned = "".join(f"{'+' if entry > 0 else '-'}{'xyz'[k]}" for k, entry in enumerate(row) if entry)
    return f"{turned}+{round(shift * 24) % 24}/24"


def _by_gemmi(symbol: str, structure: Structure, sites: Iterable[Any] | None = None) -> str:
    small = gemmi.SmallStructure()
    small.name, small.spacegroup_hm = "x", symbol
    small.cell = gemmi.UnitCell(*structure.lattice.abc, *structure.lattice.angles)
    for index, site in enumerate(structure if sites is None else sites, 1):
        one = gemmi.SmallStructure.Site()
        one.label, one.type_symbol = f"{site.specie}{index}", str(site.specie)
        one.element, one.occ = gemmi.Element(str(site.specie)), 1.0
        one.fract = gemmi.Fractional(*site.frac_coords)
        small.add_site(one)
    return small.make_cif_block().as_string()


WRITERS: dict[str, Callable[[Structure], str]] = {
    "pymatgen.cif": lambda s: str(CifWriter(s)),
    "pymatgen-symmetric.cif": lambda s: str(CifWriter(s, symprec=_SAME_SITE_ANGSTROM)),
    "ase.cif": lambda s: by_ase(s, format="cif"),
    "gemmi.cif": by_gemmi,
    "gemmi-symmetric.cif": by_gemmi_with_symbol,
    "pymatgen.vasp": lambda s: Poscar(s).get_str(),
    "pymatgen-cartesian.vasp": lambda s: Poscar(s).get_str(direct=False),
    "ase.vasp": lambda s: by_ase(s, format="vasp"),
    "ase-direct.vasp": lambda s: by_ase(s, format="vasp", direct=True),
    "ase-vasp4.vasp": lambda s: by_ase(s, format="vasp", vasp5=False),
    "ase-sorted.vasp": lambda s: by_ase(s, format="vasp", sort=True),
    "ase.extxyz": lambda s: by_ase(s, format="extxyz"),
    "pymatgen.json": lambda s: s.to_json(),
}
"""By the name of the file that each makes."""

SYMMETRIC = ("pymatgen-symmetric.cif", "gemmi-symmetric.cif")
"""Those that write one atom of each orbit."""


def written(structures: Iterable[tuple[str, Structure]]) -> Iterator[tuple[StructureFile, Structure]]:
    """The files that all writers make of named structures, each with its structure."""
    for name, structure in structures:
        for writer, write in WRITERS.items():
            kind = {"cif": "CIF", "vasp": "POSCAR", "extxyz": "extxyz", "json": "JSON"}[writer.rpartition(".")[2]]
            try:
                text = write(structure)
            except ValueError:  # a setting that gemmi's table lacks
                continue
            yield StructureFile(f"{name}/{writer}", kind, text.encode()), structure
