"""Write the CIFs of the textbook crystals from the prototype and lattice that the table gives.

    python scripts/write_textbook.py

`assets/textbook/values.csv` is the source: measured conductivities, each with the document it was
looked up in, and the lattice of each crystal in Å (experimental, room temperature).
"""

from __future__ import annotations

import csv
from pathlib import Path

import typer
from pymatgen.core import Lattice, Structure

TEXTBOOK = Path(__file__).parent.parent / "src" / "kappatune" / "assets" / "textbook"
WURTZITE_U = 0.375

CUBIC = {  # prototype -> space group, coordinates of the first and second species
    "diamond": ("Fd-3m", [[0.0, 0.0, 0.0]]),
    "zincblende": ("F-43m", [[0.0, 0.0, 0.0], [0.25, 0.25, 0.25]]),
    "rocksalt": ("Fm-3m", [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]),
    "cesium-chloride": ("Pm-3m", [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]),
    "fluorite": ("Fm-3m", [[0.0, 0.0, 0.0], [0.25, 0.25, 0.25]]),
}


def build(species: list[str], prototype: str, a: float, c: float | None) -> Structure:
    """The crystal of a prototype.

    Args:
        species: Cation first.
        prototype: One of `CUBIC`, `wurtzite`, `rutile` or `corundum`.
        a: Å.
        c: Å, for the last three.
    """
    if prototype in CUBIC:
        group, sites = CUBIC[prototype]
        return Structure.from_spacegroup(group, Lattice.cubic(a), species, sites)
    assert c is not None
    if prototype == "wurtzite":
        sites = [[1 / 3, 2 / 3, 0.0], [1 / 3, 2 / 3, WURTZITE_U]]
        return Structure.from_spacegroup("P6_3mc", Lattice.hexagonal(a, c), species, sites)
    if prototype == "rutile":
        sites = [[0.0, 0.0, 0.0], [0.305, 0.305, 0.0]]
        return Structure.from_spacegroup("P4_2/mnm", Lattice.tetragonal(a, c), species, sites)
    if prototype == "corundum":
        sites = [[0.0, 0.0, 0.3522], [0.3063, 0.0, 0.25]]
        return Structure.from_spacegroup("R-3c", Lattice.hexagonal(a, c), species, sites)
    raise ValueError(f"unknown prototype {prototype}")


def main() -> None:
    """Write one CIF per row of the table."""
    with (TEXTBOOK / "values.csv").open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            structure = build(
                row["species"].split(), row["prototype"], float(row["a"]), float(row["c"]) if row["c"] else None
            )
            structure.get_primitive_structure().to(filename=str(TEXTBOOK / row["file"]), symprec=None)
            typer.echo(f"{row['file']}: {structure.composition.reduced_formula}")


if __name__ == "__main__":
    typer.run(main)
