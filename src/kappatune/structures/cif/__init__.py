"""Crystals of CIF files (Hall, Allen and Brown, Acta Crystallogr. A 47, 655 (1991)), parsed by gemmi.

- `reader`: from a file to its crystals
- `blocks`: data blocks and their values, whatever the spelling of the tags
- `sites`: the rows of the atom list, and their images by symmetry
- `symmetry`: which space group the file means, or why that is not clear
- `space_groups`: space groups as sets of operations
"""

from kappatune.structures.cif.reader import read_cif

__all__ = ["read_cif"]
