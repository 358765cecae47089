"""Write the CIFs of the textbook crystals from the prototypes and lattices in their table.

    python scripts/write_textbook.py

The table is `assets/textbook/values.csv`: measured conductivities, each with the document that it was looked up in, and
the lattice of each crystal in Å (experimental, at room temperature).
"""

from __future__ import annotations

import csv

import typer
from pymatgen.core import Lattice, Structure
from pymatgen.symmetry.groups import SpaceGroup

from kappatune.storage import ASSETS

TEXTBOOK = ASSETS / "textbook"

Sites = list[list[float]]
"""Fractional coordinates of the inequivalent sites of one species."""

PROTOTYPES: dict[str, tuple[str, list[Sites]]] = {  # name -> space group, sites of each species
    "diamond": ("Fd-3m", [[[0, 0, 0]]]),
    "zincblende": ("F-43m", [[[0, 0, 0]], [[0.25, 0.25, 0.25]]]),
    "rocksalt": ("Fm-3m", [[[0, 0, 0]], [[0.5, 0.5, 0.5]]]),
    "cesium-chloride": ("Pm-3m", [[[0, 0, 0]], [[0.5, 0.5, 0.5]]]),
    "fluorite": ("Fm-3m", [[[0, 0, 0]], [[0.25, 0.25, 0.25]]]),
    "perovskite": ("Pm-3m", [[[0, 0, 0]], [[0.5, 0.5, 0.5]], [[0.5, 0.5, 0]]]),
    "spinel": ("Fd-3m", [[[0, 0, 0]], [[0.625, 0.625, 0.625]], [[0.3867, 0.3867, 0.3867]]]),
    "rutile": ("P4_2/mnm", [[[0, 0, 0]], [[0.305, 0.305, 0]]]),
    "chalcopyrite": ("I-42d", [[[0, 0, 0]], [[0, 0, 0.5]], [[0.2574, 0.25, 0.125]]]),
    "wurtzite": ("P6_3mc", [[[1 / 3, 2 / 3, 0]], [[1 / 3, 2 / 3, 0.375]]]),
    "moissanite-6H": (
        "P6_3mc",
        [
            [[0, 0, 0], [1 / 3, 2 / 3, 1 / 6], [2 / 3, 1 / 3, 1 / 3]],
            [[0, 0, 1 / 8], [1 / 3, 2 / 3, 7 / 24], [2 / 3, 1 / 3, 11 / 24]],
        ],
    ),
    "corundum": ("R-3c", [[[0, 0, 0.3522]], [[0.3063, 0, 0.25]]]),
    "lanthanum-aluminate": ("R-3c", [[[0, 0, 0.25]], [[0, 0, 0]], [[0.525, 0, 0.25]]]),
    "tetradymite": ("R-3m", [[[0, 0, 0.4001]], [[0, 0, 0], [0, 0, 0.2095]]]),
    "quartz": ("P3_221", [[[0.4697, 0, 2 / 3]], [[0.4135, 0.2669, 0.7858]]]),
    "tysonite": (
        "P-3c1",
        [[[0.6598, 0, 0.25]], [[0.3659, 0.0536, 0.0813], [1 / 3, 2 / 3, 0.1859], [0, 0, 0.25]]],
    ),
}


def build(species: list[str], prototype: str, a: float, c: float | None) -> Structure:
    """The crystal of a prototype.

    Args:
        species: Symbols in the order of the sites of the prototype, cations first.
        prototype: One of `PROTOTYPES`.
        a: Lattice parameter, Å.
        c: Lattice parameter, Å; None where it equals a.
    """
    group, sites = PROTOTYPES[prototype]
    gamma = 120 if SpaceGroup(group).crystal_system in ("trigonal", "hexagonal") else 90
    lattice = Lattice.from_parameters(a, a, c or a, 90, 90, gamma)
    pairs = [(name, site) for name, own in zip(species, sites, strict=True) for site in own]
    return Structure.from_spacegroup(group, lattice, [name for name, _ in pairs], [site for _, site in pairs])


def main() -> None:
    """Write one CIF for each row of the table."""
    with (TEXTBOOK / "values.csv").open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            structure = build(
                row["species"].split(), row["prototype"], float(row["a"]), float(row["c"]) if row["c"] else None
            )
            structure.get_primitive_structure().to(filename=str(TEXTBOOK / row["file"]), symprec=None)
            typer.echo(f"{row['file']}: {structure.composition.reduced_formula}")


if __name__ == "__main__":
    typer.run(main)
