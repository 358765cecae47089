"""Crystals in: reading, checking and naming them, and the table of labelled ones.

From top to bottom, each module uses only those below it:

- `inputs`: whatever a user passes in Python (objects of pymatgen, ASE, phonopy; cell tuples; paths)
- `read`: files, folders, glob patterns and tables
- `table`: tables of crystals, labelled or not
- `files`: one structure file: its kind, its reader, its checks
- `cif`, `poscar`, `extxyz`, `json_file` (with `pymatgen_dict`), `optimade`: one module per format
- `crystal`, `text`: the crystal itself, and what all readers share
"""

from kappatune.structures.crystal import BadCrystal, Crystal, Rejection, atomic_number, check, element_symbol
from kappatune.structures.files import read_content, read_file
from kappatune.structures.inputs import Input, as_entries
from kappatune.structures.read import read_crystals
from kappatune.structures.table import BadTable, Fidelity, LabelledCrystal, LabelledTable, read_table

__all__ = [
    "BadCrystal",
    "BadTable",
    "Crystal",
    "Fidelity",
    "Input",
    "LabelledCrystal",
    "LabelledTable",
    "Rejection",
    "as_entries",
    "atomic_number",
    "check",
    "element_symbol",
    "read_content",
    "read_crystals",
    "read_file",
    "read_table",
]
