"""Reading, checking and naming crystals, and the table of labelled ones."""

from kappatune.structures.crystal import BadCrystal, Crystal, Rejection, check
from kappatune.structures.read import read_crystals
from kappatune.structures.table import LabelledCrystal, LabelledTable, read_table

__all__ = [
    "BadCrystal",
    "Crystal",
    "LabelledCrystal",
    "LabelledTable",
    "Rejection",
    "check",
    "read_crystals",
    "read_table",
]
